/** Calls `onExpire` when it was armed and neither armed again nor disarmed for so many milliseconds. */
export interface Watchdog {
  arm(milliseconds: number): void;
  disarm(): void;
  /** For good: arming has no effect afterwards. */
  close(): void;
}

/** Cheap enough for every chunk: arming again refreshes the one timer, disarming touches none. */
export function createWatchdog(onExpire: () => void): Watchdog {
  let timer: NodeJS.Timeout | undefined;
  let period = 0;
  let armed = false;
  let closed = false;
  return {
    arm(milliseconds) {
      if (closed) return;
      armed = true;
      if (timer !== undefined && period === milliseconds) {
        timer.refresh();
        return;
      }
      clearTimeout(timer);
      period = milliseconds;
      timer = setTimeout(() => {
        if (armed) onExpire();
      }, milliseconds);
    },
    disarm() {
      armed = false;
    },
    close() {
      closed = true;
      armed = false;
      clearTimeout(timer);
    },
  };
}
