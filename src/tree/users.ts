import { BuildError } from '../errors.ts';

/** Whom a process runs as, in numbers only. */
export interface UserIds {
  readonly uid: number;
  readonly gid: number;
  /** Supplementary groups, the primary one among them. */
  readonly groups: readonly number[];
  /** The passwd entry's home directory; `/` without one. */
  readonly home: string;
}

/** Texts of the image's own files; '' where one is missing. */
export interface AccountFiles {
  readonly passwd: string;
  readonly group: string;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

/** Linux's ids are 32 bits, the last one being "no change". */
const MAX_ID = 4294967294;

/**
 * What USER means in an image, as runc and BuildKit read it: `name`, `uid`, `name:group`, `uid:gid`; '' is root. A number needs no
 * passwd entry, and then has group 0. Supplementary groups are those that list the user's name, unless a group is given, and the
 * primary one: without it a file could deny that group what it allows to others.
 * @throws BuildError `USER_UNKNOWN`
 */
export function resolveUser(user: string, files: AccountFiles): UserIds {
  const [userPart = '', groupPart] = splitUser(user);
  const accounts = parsePasswd(files.passwd);
  const wanted = userPart === '' ? '0' : userPart;
  const number = parseId(wanted);
  const account = accounts.find((entry) => entry.name === wanted || (number !== undefined && entry.uid === number));
  if (account === undefined && number === undefined) {
    throw new BuildError('USER_UNKNOWN', `unable to find user ${userPart}: no matching entries in passwd file`, {
      hint: 'Create the user in an earlier step (useradd, adduser), or use its number.',
    });
  }
  const groups = parseGroup(files.group);
  const groupGiven = groupPart !== undefined && groupPart !== '';
  const gid = groupGiven ? groupId(groupPart, groups) : (account?.gid ?? 0);
  const memberships =
    account === undefined || groupGiven ? [] : groups.filter((group) => group.members.includes(account.name));
  return {
    uid: account?.uid ?? number ?? 0,
    gid,
    groups: [...new Set([gid, ...memberships.map((group) => group.gid)])],
    home: account?.home === undefined || account.home === '' ? '/' : account.home,
  };
}

/**
 * The owner that `--chown` or a WORKDIR's USER names. Without a group a name has its own group, a number the group of the same
 * number's passwd entry, else its own number, as BuildKit has it for --chown.
 * @throws BuildError `USER_UNKNOWN`
 */
export function resolveOwner(owner: string, files: AccountFiles): { uid: number; gid: number } {
  const [userPart = '', groupPart] = splitUser(owner);
  const number = parseId(userPart);
  if (number !== undefined) {
    return { uid: number, gid: groupPart === undefined || groupPart === '' ? number : ownerGroup(groupPart, files) };
  }
  const account = parsePasswd(files.passwd).find((entry) => entry.name === userPart);
  if (account === undefined) {
    throw new BuildError('USER_UNKNOWN', `invalid user ${JSON.stringify(userPart)}: not in the image's /etc/passwd`, {
      hint: 'Create the user in an earlier step, or use numbers.',
    });
  }
  return {
    uid: account.uid,
    gid: groupPart === undefined || groupPart === '' ? account.gid : ownerGroup(groupPart, files),
  };
}

function ownerGroup(group: string, files: AccountFiles): number {
  return parseId(group) ?? groupId(group, parseGroup(files.group));
}

function groupId(group: string, groups: readonly GroupEntry[]): number {
  const number = parseId(group);
  const found = groups.find((entry) => entry.name === group || (number !== undefined && entry.gid === number));
  const gid = found?.gid ?? number;
  if (gid !== undefined) return gid;
  throw new BuildError('USER_UNKNOWN', `unable to find group ${group}: no matching entries in group file`, {
    hint: 'Create the group in an earlier step (groupadd, addgroup), or use its number.',
  });
}

function splitUser(user: string): string[] {
  const colon = user.indexOf(':');
  return colon < 0 ? [user] : [user.slice(0, colon), user.slice(colon + 1)];
}

function parseId(text: string): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const number = Number(text);
  return number <= MAX_ID ? number : undefined;
}

function parsePasswd(text: string): PasswdEntry[] {
  return records(text).flatMap(([name = '', , uid = '', gid = '', , home = '']) => {
    const uidNumber = parseId(uid);
    const gidNumber = parseId(gid);
    return uidNumber === undefined ? [] : [{ name, uid: uidNumber, gid: gidNumber ?? 0, home }];
  });
}

function parseGroup(text: string): GroupEntry[] {
  return records(text).flatMap(([name = '', , gid = '', members = '']) => {
    const number = parseId(gid);
    return number === undefined
      ? []
      : [{ name, gid: number, members: members.split(',').map((member) => member.trim()) }];
  });
}

function records(text: string): string[][] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split(':').map((field) => field.trim()));
}
