/** Calls `onExpire` when it was armed and neither armed again nor disarmed for so many milliseconds. */
export interface Watchdog {
  arm(milliseconds: number): void;
  disarm(): void;
  /** Releases the timer; disarms. */
  close(): void;
}

/** Cheap enough for every chunk: arming again refreshes the one timer, disarming touches none. */
export function createWatchdog(onExpire: () => void): Watchdog {
  let timer: NodeJS.Timeout | undefined;
  let period = 0;
  let armed = false;
  return {
    arm(milliseconds) {
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
      armed = false;
      clearTimeout(timer);
      timer = undefined;
    },
  };
}
