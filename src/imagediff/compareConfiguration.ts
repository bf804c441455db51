import type { ContainerConfig, ImageConfig } from '../image/config.ts';
import type { FieldDifference } from './difference.ts';

export interface CompareConfigurationOptions {
  /** Whether the history counts; what its steps did, when they did it only with `times`. */
  readonly history: boolean;
  /** Whether the number of layers counts. */
  readonly layers: boolean;
  /** Whether creation times count. */
  readonly times: boolean;
}

/**
 * What differs in two image configurations, by name. Lists of variables and sets are compared item by item; null, false and
 * empty values count as absent, as container runtimes read them.
 */
export function compareConfiguration(
  a: ImageConfig,
  b: ImageConfig,
  options: CompareConfigurationOptions,
): FieldDifference[] {
  const left = fieldsOf(a, options);
  const right = fieldsOf(b, options);
  const fields = [...new Set([...left.keys(), ...right.keys()])]
    .map((field) => ({ field, a: left.get(field), b: right.get(field) }))
    .filter((difference) => difference.a !== difference.b);
  // The order of variables can matter to who reads them, but is worth a word only if nothing else differs.
  const [leftOrder, rightOrder] = [JSON.stringify(a.config?.Env ?? []), JSON.stringify(b.config?.Env ?? [])];
  if (leftOrder !== rightOrder && !fields.some(({ field }) => field.startsWith('config.Env.'))) {
    fields.push({ field: 'config.Env (order)', a: leftOrder, b: rightOrder });
  }
  return fields.toSorted((one, other) => one.field.localeCompare(other.field, 'en', { numeric: true }));
}

const PLATFORM_FIELDS = ['os', 'architecture', 'variant', 'os.version', 'author'] as const;

function fieldsOf(image: ImageConfig, options: CompareConfigurationOptions): Map<string, string> {
  const fields = new Map<string, string>();
  const set = (field: string, value: unknown): void => {
    if (!isAbsent(value)) fields.set(field, typeof value === 'string' ? value : canonicalJson(value));
  };
  for (const name of PLATFORM_FIELDS) set(name, image[name]);
  if (options.times) set('created', image.created);
  const { Env, ...config }: ContainerConfig = image.config ?? {};
  for (const variable of Env ?? []) {
    const equals = variable.indexOf('=');
    if (equals < 0) fields.set(`config.Env.${variable}`, '');
    else fields.set(`config.Env.${variable.slice(0, equals)}`, variable.slice(equals + 1));
  }
  for (const [name, value] of Object.entries(config) as [string, unknown][]) {
    if (!SETS.has(name) || !isObject(value)) set(`config.${name}`, value);
    else for (const [key, item] of Object.entries(value)) fields.set(`config.${name}.${key}`, textOf(item));
  }
  if (options.layers) set('number of layers', image.rootfs.diff_ids.length);
  for (const [index, step] of (options.history ? (image.history ?? []) : []).entries()) {
    const { created: _created, ...rest } = step;
    set(`history[${index}]`, withoutAbsent(options.times ? step : rest));
  }
  return fields;
}

/** Compared key by key. */
const SETS: ReadonlySet<string> = new Set(['Labels', 'ExposedPorts', 'Volumes']);

function textOf(item: unknown): string {
  return typeof item === 'string' ? item : 'set';
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

function isAbsent(value: unknown): boolean {
  if (value === undefined || value === null || value === false || value === '') return true;
  return typeof value === 'object' && Object.keys(value).length === 0;
}

function withoutAbsent(step: object): object {
  return Object.fromEntries(Object.entries(step).filter(([, value]) => !isAbsent(value)));
}

/** Keys in order, so that equal values give equal texts. */
function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'object' && item !== null && !Array.isArray(item)
      ? Object.fromEntries(Object.entries(item).sort(([a], [b]) => (a < b ? -1 : 1)))
      : item,
  );
}
