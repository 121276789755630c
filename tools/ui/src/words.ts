// Numbers, times and states as a person reads them.

const number = new Intl.NumberFormat("en");
const precise = new Intl.NumberFormat("en", { maximumSignificantDigits: 3 });

export function count(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : number.format(value);
}

export function many(value: number, one: string, more: string = `${one}s`): string {
  return `${number.format(value)} ${value === 1 ? one : more}`;
}

export function rate(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : precise.format(value);
}

export function percent(share: number | null | undefined): string {
  return share === null || share === undefined ? "–" : `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
}

/** `already_created` as a person reads it: already created. */
export function words(name: string): string {
  return name.replaceAll("_", " ");
}

const UNITS: [number, string][] = [
  [86_400, "d"],
  [3_600, "h"],
  [60, "min"],
  [1, "s"],
];

/** The two largest units: 1 h 5 min. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) {
    return "–";
  }
  let left = Math.max(0, Math.round(seconds));
  const largest = UNITS.findIndex(([size]) => left >= size);
  if (largest < 0) {
    return "0 s";
  }
  const parts = [];
  for (const [size, unit] of UNITS.slice(largest, largest + 2)) {
    const times = Math.floor(left / size);
    left -= times * size;
    if (times > 0) {
      parts.push(`${times} ${unit}`);
    }
  }
  return parts.join(" ");
}

/** Seconds from one time to another. */
export function between(start: string | null, end: string | null): number | null {
  return start === null ? null : ((end === null ? Date.now() : Date.parse(end)) - Date.parse(start)) / 1000;
}

/** The time zone that the person chose in Airflow's UI. */
function timeZone(): string | undefined {
  const chosen = localStorage.getItem("timezone");
  return chosen === null || chosen === "local" ? undefined : chosen;
}

function format(at: string, options: Intl.DateTimeFormatOptions): string {
  const date = new Date(at);
  try {
    return new Intl.DateTimeFormat("sv-SE", { ...options, timeZone: timeZone() }).format(date);
  } catch {
    return new Intl.DateTimeFormat("sv-SE", options).format(date);
  }
}

/** Date and time, as Airflow writes them: 2026-11-29 00:07:01. */
export function moment(at: string | null): string {
  return at === null ? "–" : format(at, { dateStyle: "short", timeStyle: "medium" });
}

export function timeOfDay(at: string): string {
  return format(at, { timeStyle: "medium" });
}
