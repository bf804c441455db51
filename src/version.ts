import manifest from '../package.json' with { type: 'json' };

/** kasane's version, from package.json. */
export const version: string = manifest.version;
