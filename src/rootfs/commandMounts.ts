import { chmodSync, closeSync, copyFileSync, mkdirSync, openSync, statSync, symlinkSync, writeSync } from 'node:fs';
import { mount, MOUNT } from '../linux/mount.ts';
import { giveTo } from '../linux/owner.ts';
import { overlayXattrs } from '../layer/overlayXattrs.ts';
import type { LaunchSpec, MadePath, SpecFile, SpecMount } from './launchSpec.ts';
import { inRoot, placeMountPoint, type MountPointKind } from './mountPoint.ts';

/** A mounted /proc has links that lead anywhere, the machine's files included. */
const CLOSED = ['proc'];

/** Places the files and mounts of one command. What had to be made to mount on is added to `made`. */
export function mountForCommand(root: string, spec: LaunchSpec, made: MadePath[]): void {
  if (spec.files.length === 0 && spec.mounts.length === 0) return;
  mount({
    source: 'tmpfs',
    target: spec.scratch,
    type: 'tmpfs',
    flags: MOUNT.noSuid | MOUNT.noDevices,
    data: 'mode=700',
  });
  const place = (target: string, kind: MountPointKind): string | Buffer =>
    inRoot(root, placeMountPoint(root, target, kind, { made, closed: CLOSED }));
  let number = 0;
  for (const file of spec.files) placeFile(file, `${spec.scratch}/${++number}`, place);
  for (const one of spec.mounts) placeMount(one, `${spec.scratch}/${++number}`, place);
}

type Place = (target: string, kind: MountPointKind) => string | Buffer;

function placeFile(file: SpecFile, copy: string, place: Place): void {
  const descriptor = openSync(copy, 'wx', 0o600);
  const content = Buffer.from(file.content, 'base64');
  for (let written = 0; written < content.length;) written += writeSync(descriptor, content, written);
  closeSync(descriptor);
  giveTo(copy, file.uid, file.gid);
  chmodSync(copy, file.mode);
  bind(copy, place(file.target, 'file'), file.readOnly);
}

function placeMount(one: SpecMount, scratch: string, place: Place): void {
  switch (one.kind) {
    case 'bind':
      return bind(one.source, place(one.target, kindOf(one.source)), one.readOnly);
    case 'scratch-copy':
      return placeScratchCopy(one.source, one.target, scratch, place);
    case 'tmpfs':
      return mount({
        source: 'tmpfs',
        target: place(one.target, 'directory'),
        type: 'tmpfs',
        flags: MOUNT.noSuid | MOUNT.noDevices,
        data: `mode=${one.mode.toString(8)}${one.sizeBytes === undefined ? '' : `,size=${one.sizeBytes}`}`,
      });
    case 'secret':
      return placeFile(one, scratch, place);
  }
}

function placeScratchCopy(source: string, target: string, scratch: string, place: Place): void {
  if (kindOf(source) === 'file') {
    copyFileSync(source, scratch);
    return bind(scratch, place(target, 'file'), false);
  }
  const point = place(target, 'directory');
  mkdirSync(scratch);
  // Names of our own: those of the source may hold what the options of a mount can't.
  symlinkSync(source, `${scratch}/lower`);
  mkdirSync(`${scratch}/upper`, statSync(source).mode & 0o7777);
  mkdirSync(`${scratch}/work`);
  const before = process.cwd();
  process.chdir(scratch);
  mount({
    source: 'overlay',
    target: point,
    type: 'overlay',
    flags: MOUNT.noSuid | MOUNT.noDevices,
    data: `lowerdir=lower,upperdir=upper,workdir=work${overlayXattrs('upper') === 'user' ? ',userxattr' : ''}`,
  });
  process.chdir(before);
}

function bind(source: string, target: string | Buffer, readOnly: boolean): void {
  mount({ source, target, flags: MOUNT.bind });
  mount({
    target,
    flags: MOUNT.bind | MOUNT.remount | MOUNT.noSuid | MOUNT.noDevices | (readOnly ? MOUNT.readOnly : 0),
  });
}

function kindOf(path: string): MountPointKind {
  return statSync(path).isDirectory() ? 'directory' : 'file';
}
