// Two small charts of our own. What they show is also said in words, for those who do not see them.

import { type PointerEvent, useRef, useState } from "react";

import type { Sample, Spread } from "./api";
import { duration, many, percent, rate, timeOfDay } from "./words";

const HEIGHT = 130;
const LEFT = 34;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;

/** A round number that is not less. */
function ceiling(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

/** The width of an element in pixels, so that what is drawn in it is neither stretched nor shrunk. */
function useWidth(): [(element: Element | null) => void, number] {
  const [width, setWidth] = useState(600);
  const observer = useRef<ResizeObserver | null>(null);
  const attach = useRef((element: Element | null) => {
    observer.current?.disconnect();
    if (element !== null) {
      observer.current = new ResizeObserver(([entry]) => setWidth(Math.max(200, Math.round(entry?.contentRect.width ?? 600))));
      observer.current.observe(element);
    }
  });
  return [attach.current, width];
}

/** Rate and throttled share over time. */
export function RateChart({ series, found }: { series: Sample[]; found: number | null }) {
  const [pointed, setPointed] = useState<number | null>(null);
  const [frame, width] = useWidth();
  const samples = series.filter((sample) => sample.rate !== null);
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined || samples.length < 2) {
    return null;
  }
  const [start, end] = [Date.parse(first.at), Date.parse(last.at)];
  const highest = ceiling(Math.max(...samples.map((sample) => sample.rate ?? 0), found ?? 0, 0.1));
  const x = (sample: Sample) => LEFT + ((Date.parse(sample.at) - start) / Math.max(end - start, 1)) * (width - LEFT - RIGHT);
  const y = (share: number) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  const line = samples.map((sample) => `${x(sample).toFixed(1)},${y((sample.rate ?? 0) / highest).toFixed(1)}`).join(" ");
  const shown = pointed === null ? undefined : samples[pointed];
  const worst = Math.max(...samples.map((sample) => sample.throttled ?? 0));

  function point(event: PointerEvent<SVGSVGElement>): void {
    const box = event.currentTarget.getBoundingClientRect();
    const at = ((event.clientX - box.left) / box.width) * width;
    const away = samples.map((sample) => Math.abs(x(sample) - at));
    setPointed(away.indexOf(Math.min(...away)));
  }

  return (
    <figure className="ac-chart" ref={frame}>
      <figcaption>
        <span className="ac-key ac-key-rate">Contacts a second</span>
        <span className="ac-key ac-key-throttled">Throttled share</span>
        {found === null ? null : <span className="ac-key ac-key-found">Pace</span>}
        <span className="ac-pointed">
          {shown === undefined
            ? ""
            : `${timeOfDay(shown.at)}: ${rate(shown.rate)} a second, ${percent(shown.throttled)} throttled`}
        </span>
      </figcaption>
      <svg
        aria-label={
          `Rate from ${timeOfDay(first.at)} to ${timeOfDay(last.at)}: ${rate(last.rate)} contacts a second at the end,` +
          ` at most ${rate(Math.max(...samples.map((sample) => sample.rate ?? 0)))};` +
          ` at most ${percent(worst)} of the calls were throttled.`
        }
        onPointerLeave={() => setPointed(null)}
        onPointerMove={point}
        role="img"
        viewBox={`0 0 ${width} ${HEIGHT}`}
      >
        {[0, 0.5, 1].map((share) => (
          <g key={share}>
            <line className="ac-grid" x1={LEFT} x2={width - RIGHT} y1={y(share)} y2={y(share)} />
            <text className="ac-tick" textAnchor="end" x={LEFT - 5} y={y(share) + 4}>
              {rate(share * highest)}
            </text>
          </g>
        ))}
        {samples.map((sample, index) =>
          (sample.throttled ?? 0) > 0 ? (
            <line
              className="ac-throttled"
              key={index}
              x1={x(sample)}
              x2={x(sample)}
              y1={y(0)}
              y2={y(Math.min(1, sample.throttled ?? 0))}
            />
          ) : null,
        )}
        {found === null ? null : (
          <line className="ac-found" x1={LEFT} x2={width - RIGHT} y1={y(found / highest)} y2={y(found / highest)} />
        )}
        <polyline className="ac-rate" points={line} />
        {shown === undefined ? null : (
          <circle className="ac-point" cx={x(shown)} cy={y((shown.rate ?? 0) / highest)} r={4} />
        )}
        <text className="ac-tick" x={LEFT} y={HEIGHT - 6}>
          {timeOfDay(first.at)}
        </text>
        <text className="ac-tick" textAnchor="end" x={width - RIGHT} y={HEIGHT - 6}>
          {timeOfDay(last.at)}
        </text>
      </svg>
    </figure>
  );
}

/** How long people took: a bar for each span of time. */
export function Histogram({ title, spread }: { title: string; spread: Spread }) {
  const most = Math.max(...spread.buckets.map((bucket) => bucket.count), 1);
  return (
    <figure className="ac-histogram">
      <figcaption>
        {title} <span className="ac-muted">{spread.median === null ? "" : `median ${duration(spread.median)}`}</span>
      </figcaption>
      <ol>
        {spread.buckets.map((bucket) => (
          <li key={bucket.from}>
            <span className="ac-span">
              {bucket.to === null
                ? `over ${duration(bucket.from)}`
                : bucket.from === 0
                  ? `under ${duration(bucket.to)}`
                  : `${duration(bucket.from)} to ${duration(bucket.to)}`}
            </span>
            <span className="ac-bar">
              <span style={{ width: `${(bucket.count / most) * 100}%` }} />
            </span>
            <span className="ac-number" aria-label={many(bucket.count, "contact")}>
              {bucket.count}
            </span>
          </li>
        ))}
      </ol>
    </figure>
  );
}
