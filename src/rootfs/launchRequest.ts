import { BuildError } from '../errors.ts';
import { hasId, listIds, readIdMaps } from '../linux/idMap.ts';
import type { LaunchSpec, SpecFile, SpecMount } from './launchSpec.ts';
import type { PlacedFile, RootfsMount, RunCommand } from './rootfs.ts';

/** A command as the launcher wants it. */
export function launchRequest(command: RunCommand): Omit<LaunchSpec, 'root' | 'scratch'> {
  for (const text of [...command.argv, ...command.env]) {
    if (text.includes('\0'))
      throw new BuildError('RUN_HAS_NUL', 'a RUN holds a NUL byte, which no program can be given');
  }
  requireIds(command.user);
  const { uid, gid, groups } = command.user;
  return {
    hostname: command.hostname,
    files: command.files.map(specFile),
    mounts: command.mounts.map(specMount),
    command: {
      argv: command.argv,
      env: command.env,
      workingDirectory: command.workingDirectory,
      uid,
      gid,
      groups,
    },
  };
}

function requireIds({ uid, gid }: RunCommand['user']): void {
  const { uids, gids } = readIdMaps();
  if (hasId(uids, uid) && hasId(gids, gid)) return;
  throw new BuildError(
    'USER_NOT_MAPPED',
    `a RUN as user ${uid} and group ${gid} can't be executed: this user namespace has only the users ${listIds(uids)} and the groups ${listIds(gids)}`,
    {
      hint: 'More ids come with a range for the user who builds in /etc/subuid and /etc/subgid and the setuid programs newuidmap and newgidmap (package uidmap), or by building as root.',
    },
  );
}

function specFile({ path, content, mode, writable = false }: PlacedFile): SpecFile {
  return { target: path, content: base64(content), mode, uid: 0, gid: 0, readOnly: !writable };
}

function specMount(mount: RootfsMount): SpecMount {
  if (mount.kind !== 'secret') return mount;
  const { target, content, mode, uid, gid } = mount;
  return { kind: 'secret', target, content: base64(content), mode, uid, gid, readOnly: false };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
}
