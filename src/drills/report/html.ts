/**
 * What drills came to, as one page that needs nothing else: no script, and nothing that is fetched.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatWhole } from '#base/values/numbers';
import { describeMachine } from '../disturbances.ts';
import { type Markup, markup, NOTHING } from './markup.ts';
import { renderPlot } from './plot.ts';
import { type Check, type DrillResult, type Verdict, verdictOf } from './result.ts';
import { describeUnsent, formatLatency, formatSeconds, oneLine, summarize, totals } from './text.ts';

/** Ours, and no part of it from elsewhere. */
const style = (): Markup => ({ source: readFileSync(join(import.meta.dirname, 'report.css'), 'utf8') });

const VERDICTS: Record<Verdict, Markup> = {
  passed: markup`<span class="verdict passed">✓ passed</span>`,
  failed: markup`<span class="verdict failed">✗ failed</span>`,
  busy: markup`<span class="verdict open">? machine too busy</span>`,
  invalid: markup`<span class="verdict open">? the drill is wrong</span>`,
};

/** Of a check that has failed, all that is known is open to see. */
function renderCheck({ claim, passed: isPassed, detail, isTimed }: Check, isExcused: boolean): Markup {
  const verdict = isPassed ? 'passed' : isExcused && isTimed ? 'busy' : 'failed';
  const open = isPassed ? NOTHING : markup` open`;
  return markup`<li><details${open}><summary>${VERDICTS[verdict]} ${oneLine(claim)}</summary><pre>${detail}</pre></details></li>`;
}

function renderMarks({ marks }: DrillResult): Markup {
  if (marks.length === 0) return NOTHING;
  const rows = marks.map(
    ({ atMs, kind, text }) =>
      markup`<tr><td class="number">${formatSeconds(atMs)}</td><td>${kind}</td><td>${oneLine(text)}</td></tr>`,
  );
  return markup`<table><caption>What happened</caption><thead><tr><th scope="col" class="number">at</th><th scope="col">what</th><th scope="col">in words</th></tr></thead><tbody>${rows}</tbody></table>`;
}

function renderSlices({ slices, sliceMs }: DrillResult): Markup {
  const rows = slices.map(({ atMs, ok, refused, unknown, notSent, latencyP50Ms, latencyP99Ms }) => {
    const latencies = ok > 0 ? [latencyP50Ms, latencyP99Ms].map(formatLatency) : ['–', '–'];
    const cells = [formatSeconds(atMs), ...[ok, refused, unknown, notSent].map(formatWhole), ...latencies];
    return markup`<tr>${cells.map((cell) => markup`<td class="number">${cell}</td>`)}</tr>`;
  });
  const heads = ['from', 'ok', 'refused', 'unknown', 'not sent', 'p50', 'p99'].map(
    (head) => markup`<th scope="col" class="number">${head}</th>`,
  );
  return markup`<details><summary>The figures of the plot: ${slices.length} slices of ${formatSeconds(sliceMs)}</summary><table><thead><tr>${heads}</tr></thead><tbody>${rows}</tbody></table></details>`;
}

function renderLegend(result: DrillResult): Markup {
  const { ok, refused, unknown } = totals(result);
  return markup`<ul class="legend">
<li><span class="swatch ok"></span>answered well: ${formatWhole(ok)}</li>
<li><span class="swatch refused"></span>refused: ${formatWhole(refused)}</li>
<li><span class="swatch unknown"></span>outcome unknown: ${formatWhole(unknown)}</li>
<li><span class="swatch notSent"></span>${describeUnsent(result)}</li>
<li><span class="stroke p50"></span>half of the answers took up to this (p50)</li>
<li><span class="stroke p99"></span>99 % took up to this (p99)</li>
<li><span class="swatch broken"></span>from a fault to its heal</li>
</ul>`;
}

function renderDrill(result: DrillResult, at: number): Markup {
  const { drill, summary, seed, startedAt, durationMs, ratePerS, topology, checks, again } = result;
  const { machine, disturbances } = result;
  const id = `drill-${at + 1}`;
  const plot =
    result.slices.length > 0
      ? markup`<figure><div class="plot" tabindex="0" role="group" aria-label="Timeline">${renderPlot(result, id)}</div><figcaption>${renderLegend(result)}</figcaption></figure>`
      : markup`<p>The drill had no load to plot.</p>`;
  return markup`<section id="${id}" aria-labelledby="${id}-name">
<h2 id="${id}-name">${oneLine(drill)} ${VERDICTS[verdictOf(result)]}</h2>
<p>${oneLine(summary)}</p>
<p class="outcome">${summarize(result)}</p>
${plot}
<h3>Checks</h3>
<ul class="checks">${checks.map((check) => renderCheck(check, verdictOf(result) === 'busy'))}</ul>
<h3>Course</h3>
${renderMarks(result)}
${renderSlices(result)}
<h3>Set-up</h3>
<ul>${[...topology, describeMachine(machine), ...disturbances.map(({ text }) => text)].map((line) => markup`<li>${oneLine(line)}</li>`)}</ul>
<p>${formatWhole(ratePerS)} requests/s for ${formatSeconds(durationMs)}, seed ${seed}, started <time datetime="${startedAt}">${startedAt}</time>.</p>
<p>The same again: <code>${oneLine(again)}</code></p>
</section>`;
}

function renderContents(results: readonly DrillResult[]): Markup {
  if (results.length < 2) return NOTHING;
  const rows = results.map(
    (result, at) =>
      markup`<tr><td><a href="#drill-${at + 1}">${oneLine(result.drill)}</a></td><td>${VERDICTS[verdictOf(result)]}</td><td>${summarize(result)}</td></tr>`,
  );
  return markup`<table><caption>All drills</caption><thead><tr><th scope="col">drill</th><th scope="col">outcome</th><th scope="col">in short</th></tr></thead><tbody>${rows}</tbody></table>`;
}

/** One page for any number of drills. Reads well without a network, in light and in dark, by eye and by ear. */
export function renderHtml(results: readonly DrillResult[]): string {
  const many = (wanted: Verdict) => results.filter((result) => verdictOf(result) === wanted).length;
  const [failed, open] = [many('failed'), many('busy') + many('invalid')];
  const told = open === 0 ? '' : `, ${open} without a verdict`;
  const title =
    failed === 0
      ? `Loadstone drills: ${results.length - open} passed${told}`
      : `Loadstone drills: ${failed} of ${results.length} failed${told}`;
  return markup`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${style()}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${renderContents(results)}
${results.map(renderDrill)}
</main>
</body>
</html>
`.source;
}
