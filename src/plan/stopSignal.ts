import { BuildError } from '../errors.ts';

const NAMES: ReadonlySet<string> = new Set(
  (
    'ABRT ALRM BUS CHLD CLD CONT FPE HUP ILL INT IO IOT KILL PIPE POLL PROF PWR QUIT SEGV STKFLT STOP SYS TERM TRAP TSTP ' +
    'TTIN TTOU URG USR1 USR2 VTALRM WINCH XCPU XFSZ RTMIN RTMAX'
  ).split(' '),
);

/**
 * Checks a signal for STOPSIGNAL: a number but 0, or a name with or without SIG, in any case.
 * @throws BuildError `INSTRUCTION_INVALID`
 */
export function checkSignal(signal: string): void {
  const name = signal.toUpperCase().replace(/^SIG/, '');
  const realTime = /^RT(?:MIN\+(\d+)|MAX-(\d+))$/.exec(name);
  const valid = /^[-+]?\d+$/.test(signal)
    ? Number(signal) !== 0
    : NAMES.has(name) || (realTime !== null && isRealTime(realTime[1], realTime[2]));
  if (!valid) throw new BuildError('INSTRUCTION_INVALID', `invalid signal: ${signal}`);
}

function isRealTime(above: string | undefined, below: string | undefined): boolean {
  const distance = above ?? below ?? '0';
  return !distance.startsWith('0') && Number(distance) <= (above === undefined ? 14 : 15);
}
