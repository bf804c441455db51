/** True for a source that is downloaded. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//.test(source) && !isGitUrl(source);
}

/** True for a source that is a git repository: ssh, git or scp-like addresses, and https with a path that ends in .git. */
export function isGitUrl(source: string): boolean {
  if (/^(?:ssh|git):\/\//.test(source)) return true;
  if (/^https?:\/\//.test(source)) return /^https?:\/\/[^/?#]+\/[^?#]*\.git(?:[?#]|$)/.test(source);
  return /^[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:(?!\/\/)/.test(source);
}
