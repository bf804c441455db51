import { BuildError } from '../errors.ts';

/** An image's platform, in the words of the OCI image specification. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
}

const ARCHITECTURES: Readonly<Record<string, { architecture: string; variant?: string }>> = {
  x86_64: { architecture: 'amd64' },
  'x86-64': { architecture: 'amd64' },
  i386: { architecture: '386' },
  i686: { architecture: '386' },
  aarch64: { architecture: 'arm64' },
  armhf: { architecture: 'arm', variant: 'v7' },
  armel: { architecture: 'arm', variant: 'v6' },
};

const NODE_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', loong64: 'loong64' };

/** The platform this process runs on. */
export function hostPlatform(): Platform {
  return normalisePlatform({ os: 'linux', architecture: NODE_ARCHITECTURES[process.arch] ?? process.arch });
}

/**
 * `os/arch[/variant]`, or `arch` or `os` alone, normalised as containerd's `platforms.Parse` does.
 * @throws BuildError `PLATFORM_INVALID`
 */
export function parsePlatform(text: string): Platform {
  const parts = text.split('/');
  if (parts.length > 3 || parts.some((part) => !/^[A-Za-z0-9_.()-]+$/.test(part))) {
    throw new BuildError('PLATFORM_INVALID', `Invalid platform ${JSON.stringify(text)}`, {
      hint: 'A platform is os/architecture or os/architecture/variant, for example linux/arm64.',
    });
  }
  const [first = '', second, third] = parts;
  const os = /^([^()]+)(?:\(([^()]*)\))?$/.exec(first);
  if (second === undefined) {
    return ['linux', 'windows', 'darwin', 'freebsd'].includes(first.toLowerCase())
      ? { ...hostPlatform(), os: first.toLowerCase() }
      : normalisePlatform({ os: 'linux', architecture: first });
  }
  return normalisePlatform({
    os: os?.[1] ?? first,
    architecture: second,
    ...(third === undefined ? {} : { variant: third }),
    ...(os?.[2] === undefined ? {} : { 'os.version': os[2] }),
  });
}

/** Common synonyms to the specification's names; the default variants (arm64/v8, amd64/v1) dropped, arm's made explicit. */
export function normalisePlatform(platform: Platform): Platform {
  const known = ARCHITECTURES[platform.architecture.toLowerCase()];
  const architecture = known?.architecture ?? platform.architecture.toLowerCase();
  const variant = platform.variant?.toLowerCase() ?? known?.variant;
  return {
    os: platform.os.toLowerCase(),
    architecture,
    ...variantOf(architecture, variant),
    ...(platform['os.version'] === undefined ? {} : { 'os.version': platform['os.version'] }),
  };
}

export function formatPlatform(platform: Platform): string {
  return [platform.os, platform.architecture, platform.variant].filter((part) => part).join('/');
}

/**
 * The best of the candidates for the wanted platform: same OS and architecture; the wanted variant, else for arm the next
 * lower one (v7 takes v6), else one without a variant.
 */
export function selectPlatform<T extends { readonly platform?: Platform }>(
  candidates: readonly T[],
  wanted: Platform,
): T | undefined {
  const target = normalisePlatform(wanted);
  const compatible = candidates.filter((candidate) => {
    if (candidate.platform === undefined) return false;
    const { os, architecture } = normalisePlatform(candidate.platform);
    return os === target.os && architecture === target.architecture;
  });
  for (const variant of acceptedVariants(target)) {
    const match = compatible.find((candidate) => normalisePlatform(candidate.platform as Platform).variant === variant);
    if (match !== undefined) return match;
  }
  return undefined;
}

function variantOf(architecture: string, variant: string | undefined): { variant?: string } {
  if (architecture === 'arm') return { variant: variant === undefined ? 'v7' : variant.replace(/^(\d)$/, 'v$1') };
  if (architecture === 'arm64' && (variant === 'v8' || variant === '8')) return {};
  if (architecture === 'amd64' && variant === 'v1') return {};
  return variant === undefined || variant === '' ? {} : { variant };
}

function acceptedVariants(platform: Platform): readonly (string | undefined)[] {
  const arm = platform.architecture === 'arm' ? /^v(\d)$/.exec(platform.variant ?? '') : null;
  if (arm === null) return platform.variant === undefined ? [undefined] : [platform.variant, undefined];
  const variants: (string | undefined)[] = [];
  for (let version = Number(arm[1]); version >= 5; version--) variants.push(`v${version}`);
  return [...variants, undefined];
}
