/** Where text and bytes go; `process.stdout` is one. */
export interface Sink {
  write(chunk: string | Uint8Array): unknown;
}

/**
 * The output of one stream of one stage's RUNs. Raw while `prefix()` is undefined; otherwise in whole lines, each behind the prefix, so
 * that stages side by side stay apart.
 */
export interface RunOutput {
  write(chunk: Uint8Array): void;
  /** Ends a line that is still open, so that what follows starts on one of its own. */
  finish(): void;
}

export function runOutput(sink: Sink, prefix: () => string | undefined): RunOutput {
  let pending = Buffer.alloc(0);
  let openLine = false;

  const writeLine = (label: string, line: Uint8Array): void => {
    sink.write(Buffer.concat([Buffer.from(label), line, NEWLINE]));
  };
  const flush = (label: string): void => {
    if (pending.length > 0) writeLine(label, pending);
    pending = Buffer.alloc(0);
  };

  return {
    write(chunk) {
      const label = prefix();
      if (label === undefined) {
        if (chunk.length === 0) return;
        if (pending.length > 0) sink.write(pending);
        pending = Buffer.alloc(0);
        sink.write(chunk);
        openLine = chunk.at(-1) !== LINE_FEED;
        return;
      }
      if (openLine) sink.write(NEWLINE);
      openLine = false;
      const bytes = Buffer.concat([pending, chunk]);
      let start = 0;
      for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, start)) {
        writeLine(label, bytes.subarray(start, end));
        start = end + 1;
      }
      pending = bytes.subarray(start);
      if (pending.length > LONGEST_LINE) flush(label);
    },
    finish() {
      const label = prefix();
      if (openLine) sink.write(NEWLINE);
      openLine = false;
      flush(label ?? '');
    },
  };
}

const LINE_FEED = 0x0a;
const NEWLINE = Buffer.from([LINE_FEED]);
/** Bytes that are held back for a line's end. */
const LONGEST_LINE = 65_536;
