import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bigBase, busyboxBase, debianBase, type Base } from '../bases/bases.ts';

/** Something to build. */
export interface Work {
  readonly name: string;
  readonly title: string;
  readonly baseName: string;
  readonly base: () => Promise<Base>;
  /** What the Dockerfile says after FROM. */
  readonly dockerfile: readonly string[];
  /** Puts files into the context. */
  readonly fill?: (context: string) => void;
}

const TEN = Array.from({ length: 10 }, (_, step) => step);

export const WORKS: readonly Work[] = [
  {
    name: 'tiny',
    title: 'Tiny: busybox, COPY, RUN',
    baseName: 'busybox',
    base: busyboxBase,
    dockerfile: ['COPY hello.txt /hello.txt', 'RUN wc -c /hello.txt >/size.txt'],
    fill: (context) => writeFileSync(join(context, 'hello.txt'), 'hello\n'),
  },
  {
    name: 'ten-runs',
    title: 'Ten RUN steps of three files each on a base of 1 GB, 50,000 files',
    baseName: 'big',
    base: bigBase,
    dockerfile: TEN.map(
      (step) => `RUN mkdir -p /srv/s${step} && for i in 1 2 3; do echo "step ${step} file $i" >/srv/s${step}/f$i; done`,
    ),
  },
  {
    name: 'copy',
    title: 'COPY of 20,000 small files, 500 MB random, 200 MB text',
    baseName: 'busybox',
    base: busyboxBase,
    dockerfile: ['COPY small /data/small', 'COPY random.bin /data/', 'COPY text.txt /data/'],
    fill: fillCopy,
  },
  {
    name: 'apt',
    title: 'apt-get install gcc libc6-dev on Debian',
    baseName: 'debian',
    base: debianBase,
    dockerfile: [
      'RUN apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*',
    ],
  },
  {
    name: 'metadata',
    title: 'LABEL, ENV, CMD on the base of 1 GB',
    baseName: 'big',
    base: bigBase,
    dockerfile: ['LABEL org.example.purpose=bench', 'ENV MODE=bench', 'CMD ["/bin/true"]'],
  },
];

/** Gives the context's directory. */
export function makeContext(work: Work, directory: string, base: string): string {
  const context = join(directory, work.name);
  mkdirSync(context, { recursive: true });
  writeFileSync(join(context, 'Dockerfile'), `${[`FROM ${base}`, ...work.dockerfile].join('\n')}\n`);
  work.fill?.(context);
  return context;
}

/** 200 directories of 100 files of 1 to 8 kB of text, a big file that does not compress, and one that does. */
function fillCopy(context: string): void {
  const random = xorshift();
  const words = Array.from({ length: 4096 }, () =>
    random()
      .toString(36)
      .slice(0, 2 + (random() % 7)),
  );
  const text = Buffer.from(Array.from({ length: 2_000_000 }, () => words[random() % words.length]).join(' '));
  for (let directory = 0; directory < 200; directory++) {
    const parent = join(context, 'small', `d${directory}`);
    mkdirSync(parent, { recursive: true });
    for (let file = 0; file < 100; file++) {
      const size = 1000 + (random() % 7000);
      const start = random() % (text.length - size);
      writeFileSync(join(parent, `f${file}.txt`), text.subarray(start, start + size));
    }
  }
  const noise = Buffer.alloc(500_000_000);
  for (let at = 0; at < noise.length; at += 4) noise.writeUInt32LE(random(), at);
  writeFileSync(join(context, 'random.bin'), noise);
  const copies = Math.ceil(200_000_000 / text.length);
  writeFileSync(join(context, 'text.txt'), Buffer.concat(Array(copies).fill(text)).subarray(0, 200_000_000));
}

/** Marsaglia's xorshift32 from a fixed start. */
function xorshift(): () => number {
  let state = 0x2545f491;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state;
  };
}
