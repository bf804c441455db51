import { version } from '../version.ts';

/** What `executor version` prints; pipelines cut the number out of it. */
export const kanikoVersion = `Kaniko version :  v${version}\n`;
