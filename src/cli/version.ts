import manifest from '../../package.json' with { type: 'json' };

/** kasane's version, from package.json. */
export const version: string = manifest.version;

/** What `executor version` prints; pipelines cut the number out of it. */
export const kanikoVersion = `Kaniko version :  v${version}\n`;
