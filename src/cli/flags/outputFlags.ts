import type { ExecutorFlagTable } from './executorFlag.ts';

/** Where the image goes. */
export const outputFlags = {
  destination: {
    type: 'list',
    shorthand: 'd',
    default: [],
    help: 'Name to push the image to. Repeatable.',
  },
  'no-push': {
    type: 'bool',
    default: false,
    environment: { name: 'KANIKO_NO_PUSH', order: 'variable-wins' },
    help: 'Do not push the image.',
  },
  'tar-path': {
    type: 'string',
    default: '',
    aliases: [{ name: 'tarPath', deprecated: true }],
    help: 'File to save the image to, as docker save does.',
  },
  'oci-layout-path': { type: 'string', default: '', help: 'Directory to save the image to, as an OCI layout.' },
  'digest-file': { type: 'string', default: '', help: "File to write the image's digest to." },
  'image-name-with-digest-file': {
    type: 'string',
    default: '',
    help: 'File to write repository@digest to, a line for each destination.',
  },
  'image-name-tag-with-digest-file': {
    type: 'string',
    default: '',
    help: 'File to write repository:tag@digest to, a line for each destination.',
  },
  'image-format': {
    type: 'string',
    default: '',
    choices: ['', 'docker', 'oci'],
    choiceError: 'must be either "docker" or "oci"',
    help: "Media types of the image: docker or oci; the base's if not given.",
    support: { level: 'unsupported', because: 'the image has the media types of its base' },
  },
  compression: {
    type: 'string',
    default: '',
    choices: ['', 'gzip', 'zstd'],
    choiceError: 'must be either "gzip" or "zstd"',
    help: 'Compression of layers: gzip or zstd.',
    support: { level: 'unsupported', because: 'layers are written with gzip', harmless: ['gzip'] },
  },
  'compression-level': {
    type: 'int',
    default: -1,
    help: 'Compression level of layers.',
    support: { level: 'no-effect', because: 'the level decides size and time only; gzip of class 6 is written' },
  },
  'push-retry': {
    type: 'int',
    default: 0,
    help: 'How often to try a push again.',
    support: { level: 'no-effect', because: 'transfers are always tried again, blob by blob' },
  },
  'push-ignore-immutable-tag-errors': {
    type: 'bool',
    default: false,
    help: 'Succeed if the destination has the tag and forbids changing it.',
    support: { level: 'unsupported', because: 'a refused push is an error' },
  },
  'skip-push-permission-check': {
    type: 'bool',
    default: false,
    help: 'Do not check before the build that pushing is permitted.',
  },
} as const satisfies ExecutorFlagTable;
