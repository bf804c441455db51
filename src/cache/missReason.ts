import type { InputRecord, StageInputs, StepInputs } from './inputRecord.ts';

const SHOWN = 3;

/**
 * Why the last of a stage's steps so far was not found, as the second half of a sentence: the first thing that is different from the
 * build before.
 */
export function missReason(before: InputRecord | undefined, now: StageInputs): string {
  if (before === undefined) return 'no earlier build has left a record here';
  const earlier = before.stages.find(({ name }) => name === now.name);
  if (earlier === undefined) return 'the stage is new';
  if (earlier.baseKey !== now.baseKey) return baseReason(earlier, now);
  const last = now.steps.length - 1;
  for (const [index, step] of now.steps.entries()) {
    const old = earlier.steps[index];
    const reason = old === undefined ? 'the instruction is new' : stepReason(old, step);
    if (reason !== undefined) return index === last ? reason : `${step.text}: ${reason}`;
  }
  return 'nothing changed, but the cache does not have it (any more)';
}

function baseReason(earlier: StageInputs, now: StageInputs): string {
  if (earlier.base !== now.base) return `base image changed: ${earlier.base} → ${now.base}`;
  if (now.baseDigest === undefined) return `the stage ${now.base} changed`;
  if (earlier.baseDigest !== now.baseDigest) {
    return `base image changed: ${earlier.baseDigest ?? 'unknown'} → ${now.baseDigest}`;
  }
  return 'the platform or the fixed time (SOURCE_DATE_EPOCH, --reproducible) changed';
}

function stepReason(old: StepInputs, now: StepInputs): string | undefined {
  // A RUN's text shows values of variables, which are compared by themselves.
  const sameText = old.text === now.text || now.variables !== undefined;
  if (old.instruction !== now.instruction || !sameText) {
    return old.text === now.text
      ? 'what the instruction means changed (user, directory, shell)'
      : `the instruction changed, it was: ${old.text}`;
  }
  // It was found by its stage, and nobody looked at the files.
  if (old.files === undefined && now.files !== undefined) return 'what it copies changed';
  const reasons = [variablesReason(old.variables, now.variables), filesReason(old.files, now.files)];
  const said = reasons.filter((reason) => reason !== undefined);
  return said.length === 0 ? undefined : said.join(', ');
}

type Named = Readonly<Record<string, string>>;

function variablesReason(old: Named = {}, now: Named = {}): string | undefined {
  const { changed, added, removed } = compare(old, now);
  const parts = [
    ...(changed.length === 0 ? [] : [`${list(changed)} changed`]),
    ...(added.length === 0 ? [] : [`${list(added)} added`]),
    ...(removed.length === 0 ? [] : [`${list(removed)} removed`]),
  ];
  if (parts.length > 0) return parts.join(', ');
  const moved = Object.keys(now).join('\n') !== Object.keys(old).join('\n');
  return moved ? 'the order of ARG and ENV changed' : undefined;
}

/** Nothing if the files of one of them were not looked at. */
function filesReason(old: Named | undefined, now: Named | undefined): string | undefined {
  if (old === undefined || now === undefined) return undefined;
  const { changed, added, removed } = compare(old, now);
  const count = changed.length + added.length + removed.length;
  if (count === 0) return undefined;
  const total = Object.keys(now).length;
  const names = [...changed, ...added.map((name) => `${name} (new)`), ...removed.map((name) => `${name} (gone)`)];
  return `${format(count)} of ${format(total)} ${total === 1 ? 'file' : 'files'} changed: ${list(names)}`;
}

function compare(old: Named, now: Named): { changed: string[]; added: string[]; removed: string[] } {
  return {
    changed: Object.keys(now).filter((name) => Object.hasOwn(old, name) && old[name] !== now[name]),
    added: Object.keys(now).filter((name) => !Object.hasOwn(old, name)),
    removed: Object.keys(old).filter((name) => !Object.hasOwn(now, name)),
  };
}

function list(names: readonly string[]): string {
  const rest = names.length - SHOWN;
  return names.slice(0, SHOWN).join(', ') + (rest > 0 ? ` and ${format(rest)} more` : '');
}

function format(count: number): string {
  return count.toLocaleString('en-US');
}
