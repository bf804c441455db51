import type { LayoutConfig } from './layout.ts';

export const DEBIAN_CONFIG: LayoutConfig = {
  Env: ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'],
  Cmd: ['bash'],
};
