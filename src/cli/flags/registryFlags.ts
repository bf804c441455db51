import type { ExecutorFlagTable } from './executorFlag.ts';

/** How registries are reached. */
export const registryFlags = {
  insecure: { type: 'bool', default: false, help: 'Push with plain HTTP.' },
  'insecure-pull': { type: 'bool', default: false, help: 'Pull with plain HTTP.' },
  'insecure-registry': {
    type: 'list',
    default: [],
    help: 'Registry to push to and pull from with plain HTTP. Repeatable.',
  },
  'skip-tls-verify': { type: 'bool', default: false, help: "Do not verify registries' certificates." },
  'skip-tls-verify-pull': { type: 'bool', default: false, help: "Do not verify registries' certificates on pulls." },
  'skip-tls-verify-registry': {
    type: 'list',
    default: [],
    help: 'Registry whose certificate is not verified. Repeatable.',
  },
  'registry-certificate': {
    type: 'pairs',
    default: new Map(),
    help: 'Certificate to trust for a registry, as registry=/path/to/certificate.pem. Repeatable.',
  },
  'registry-client-cert': {
    type: 'pairs',
    default: new Map(),
    help: 'Client certificate for a registry, as registry=/path/to/cert,/path/to/key. Repeatable.',
  },
  'registry-map': {
    type: 'map',
    default: new Map(),
    environment: { name: 'KANIKO_REGISTRY_MAP', order: 'adds' },
    help: 'Registry to ask instead of another, as original=replacement[;…]. Repeatable.',
  },
  'registry-mirror': {
    type: 'list',
    default: [],
    environment: { name: 'KANIKO_REGISTRY_MIRROR', order: 'adds' },
    help: 'Mirror to ask instead of docker.io. Repeatable.',
  },
  'skip-default-registry-fallback': {
    type: 'bool',
    default: false,
    help: 'Fail if no mirror has an image, instead of asking the original registry.',
  },
  'credential-helpers': {
    type: 'list',
    default: [],
    help: 'Built-in credential helpers to ask: env, google, ecr, acr, gitlab; "" for none. Repeatable.',
    support: {
      level: 'unsupported',
      because: "credentials come from docker's configuration and the helpers it names",
      harmless: [''],
    },
  },
  'image-download-retry': {
    type: 'int',
    default: 0,
    help: 'How often to try a download again.',
    support: { level: 'no-effect', because: 'downloads are always tried again, blob by blob' },
  },
  'image-fs-extract-retry': {
    type: 'int',
    default: 0,
    help: 'How often to try unpacking the base again.',
    support: { level: 'no-effect', because: 'downloads are always tried again, blob by blob' },
  },
  'azure-container-registry-config': {
    type: 'string',
    default: '',
    hidden: true,
    help: 'Path to a file with the Azure container registry configuration.',
    support: { level: 'no-effect', because: 'kaniko never read it either' },
  },
} as const satisfies ExecutorFlagTable;
