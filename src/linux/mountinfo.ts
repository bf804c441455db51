import { readFileSync } from 'node:fs';
import type { ByteString } from '../byteString.ts';

/** One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly id: number;
  readonly parentId: number;
  readonly deviceMajor: number;
  readonly deviceMinor: number;
  /** What of the file system is mounted here. */
  readonly root: ByteString;
  /** Where, seen from the root of the process. */
  readonly target: ByteString;
  /** Of this mount: `rw`, `nosuid`, … */
  readonly options: readonly string[];
  /** `shared:1`, `master:2`, …; empty for a private mount. */
  readonly propagation: readonly string[];
  readonly type: string;
  readonly source: ByteString;
  /** Of the file system. */
  readonly fileSystemOptions: readonly ByteString[];
}

/** The mounts this process sees, in the kernel's order: a later one on the same target hides an earlier one. */
export function readMounts(path = '/proc/self/mountinfo'): Mount[] {
  return parseMountinfo(readFileSync(path, 'latin1') as ByteString);
}

/** Lines that lack fields are an error: the kernel writes none. */
export function parseMountinfo(text: ByteString): Mount[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map(parseLine);
}

function parseLine(line: string): Mount {
  const fields = line.split(' ');
  const separator = fields.indexOf('-', 6);
  const [id, parentId, device, root, target, options] = fields;
  const [type, source, fileSystemOptions] = fields.slice(separator + 1);
  const isWhole = separator !== -1 && type !== undefined && source !== undefined && fileSystemOptions !== undefined;
  if (!isWhole || root === undefined || target === undefined || options === undefined) {
    throw new Error(`not a line of mountinfo: ${JSON.stringify(line)}`);
  }
  const [deviceMajor, deviceMinor] = (device ?? '').split(':').map(Number);
  return {
    id: Number(id),
    parentId: Number(parentId),
    deviceMajor: deviceMajor ?? NaN,
    deviceMinor: deviceMinor ?? NaN,
    root: decodeOctal(root),
    target: decodeOctal(target),
    options: options.split(','),
    propagation: fields.slice(6, separator),
    type,
    source: decodeOctal(source),
    fileSystemOptions: fileSystemOptions.split(',').map(decodeOctal),
  };
}

/** The kernel writes space, tab, newline, backslash and `#` as a backslash and three octal digits. */
function decodeOctal(field: string): ByteString {
  const decoded = field.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
  return decoded as ByteString;
}
