/** A NUL-terminated copy of a path or name; strings are UTF-8, as in `node:fs`. @throws TypeError if it holds a NUL */
export function cString(value: string | Uint8Array): Buffer {
  const bytes = typeof value === 'string' ? Buffer.from(value) : value;
  const copy = Buffer.alloc(bytes.length + 1);
  copy.set(bytes);
  refuseNul(copy, bytes.length);
  return copy;
}

/** Makes C strings in one buffer that each call overwrites, for calls made once per file. Valid until the next call. */
export function cStringBuffer(): (value: string | Buffer) => Buffer {
  const buffer = Buffer.allocUnsafe(16 * 1024);
  return (value) => {
    if (value.length * 3 >= buffer.length) return cString(value);
    const length = typeof value === 'string' ? buffer.write(value) : value.copy(buffer);
    buffer[length] = 0;
    refuseNul(buffer, length);
    return buffer;
  };
}

function refuseNul(bytes: Buffer, length: number): void {
  if (bytes.indexOf(0) !== length) throw new TypeError('a path or name for the kernel holds a NUL byte');
}
