// Draws one dashboard of `grafana/dashboards` with Grafana's own components, on the data of a Prometheus server.
//
// Parameters of the address: `prometheus` (URL), `dashboard` (uid), `theme` (`light` or `dark`), `from` and `to` (Unix
// time in seconds), `scrape` (interval in seconds). Once all is drawn, `drawn` of the window says which panels there are, and how many points
// and exemplars each has.

import '@fontsource/inter/400.css';
import '@fontsource/inter/500.css';
import 'uplot/dist/uPlot.min.css';

import { createRoot } from 'react-dom/client';
import { createTheme, dateTime } from '@grafana/data';
import { Icon, ThemeContext } from '@grafana/ui';
import { configured, frame } from './frames.js';
import { Panel } from './panel.jsx';
import { Prometheus, resolve } from './prometheus.js';

const parameters = new URLSearchParams(location.search);
const parameter = (name, otherwise) => parameters.get(name) ?? otherwise;

const now = Math.floor(Date.now() / 1000);
const width = document.documentElement.clientWidth;
const theme = createTheme({ colors: { mode: parameter('theme', 'light') } });
const prometheus = new Prometheus({
  url: parameter('prometheus', 'http://localhost:9090'),
  from: Number(parameter('from', now - 15 * 60)),
  to: Number(parameter('to', now)),
  scrape: Number(parameter('scrape', 5)),
  points: width / 3, // of a panel that is a third of the page
});

const files = import.meta.glob('../../dashboards/*.json', { eager: true, import: 'default' });
const dashboard = Object.values(files).find(({ uid }) => uid === parameter('dashboard', 'ping-pong'));

// Those folded into a row as well.
const panels = dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);

async function ask(panel, alerts) {
  const each = panel.targets.map(async (target) => {
    const expression = resolve(target.expr, dashboard, prometheus);
    const [series, exemplars] = await Promise.all([
      prometheus.query(expression, target.instant),
      target.exemplar ? prometheus.exemplars(expression) : [],
    ]);
    return { frames: series.map((one) => frame(one, target)), exemplars };
  });
  const answers = await Promise.all(each);
  const frames = answers.flatMap(({ frames }) => frames);
  // As Grafana's time series panel does: it draws nothing for a share of nothing, and a gap is a `null`.
  if (panel.type === 'timeseries') {
    for (const { fields } of frames) fields[1].values = fields[1].values.map((it) => (Number.isFinite(it) ? it : null));
  }
  const exemplars = answers.flatMap(({ exemplars }) => exemplars);
  return { frames: configured(frames, panel, theme), exemplars, alerts };
}

/** When alerts fired, as `{ name, from, to }` for each stretch without a gap. */
async function firing() {
  const [{ expr }] = dashboard.annotations.list;
  const series = await prometheus.query(resolve(expr, dashboard, prometheus));
  return series.flatMap(({ metric, samples }) =>
    samples.reduce((stretches, [time, value]) => {
      if (!value) return stretches;
      const last = stretches.at(-1);
      if (last && time - last.to <= prometheus.step) last.to = time;
      else stretches.push({ name: metric.alertname, from: time, to: time });
      return stretches;
    }, []),
  );
}

// Grafana's grid: 24 columns; rows of 30 pixels; 8 pixels between panels.
const COLUMN = (width - 16 + 8) / 24;
const ROW = 38;

function Place({ panel, children }) {
  const { x, y, w, h } = panel.gridPos;
  const place = { left: x * COLUMN, top: y * ROW, width: w * COLUMN - 8, height: h * ROW - 8 };
  return (
    <div data-panel={panel.title} data-type={panel.type} style={{ position: 'absolute', ...place }}>
      {children}
    </div>
  );
}

const Row = ({ panel }) => (
  <div className="row">
    <Icon name="angle-down" /> {panel.title}
  </div>
);

function Dashboard({ data, range }) {
  const rows = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h));
  return (
    <ThemeContext.Provider value={theme}>
      <main style={{ height: rows * ROW - 8 }}>
        {panels.map((panel, index) => (
          <Place key={panel.id} panel={panel}>
            {panel.type === 'row' ? (
              <Row panel={panel} />
            ) : (
              <Panel
                {...{ panel, range, theme, data: data[index] }}
                width={panel.gridPos.w * COLUMN - 8}
                height={panel.gridPos.h * ROW - 8}
              />
            )}
          </Place>
        ))}
      </main>
    </ThemeContext.Provider>
  );
}

function style() {
  const { background, text, error } = theme.colors;
  const sheet = document.createElement('style');
  sheet.textContent = `
    * { box-sizing: border-box; }
    html { font: ${theme.typography.body.fontSize}/${theme.typography.body.lineHeight} ${theme.typography.fontFamily}; }
    body { margin: 0; background: ${background.canvas}; color: ${text.primary}; font-size: 14px; }
    main { position: relative; margin: 8px; }
    h2 { margin: 0; font-size: 14px; font-weight: 500; }
    button { font: inherit; color: inherit; background: none; border: 0; padding: 0; }
    table { border-spacing: 0; }
    .sr-only { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    .row { display: flex; align-items: center; gap: 8px; height: 100%; font-size: 16px; font-weight: 500; }
    .nothing { color: ${text.secondary}; text-align: center; }
    .error { color: ${error.text}; white-space: pre-wrap; }
    .exemplar { display: block; transform: translate(-50%, -50%); overflow: visible; }`;
  document.head.append(sheet);
}

async function main() {
  style();
  window.__grafana_public_path__ = '/';
  const alerts = await firing();
  const data = await Promise.all(panels.map((panel) => (panel.type === 'row' ? null : ask(panel, alerts))));
  // A canvas keeps the font that it was drawn with.
  await Promise.all([400, 500].map((weight) => document.fonts.load(`${weight} 14px Inter`)));
  const [from, to] = [prometheus.from, prometheus.to].map((time) => dateTime(time * 1000));
  createRoot(document.getElementById('root')).render(<Dashboard data={data} range={{ from, to, raw: { from, to } }} />);
  window.drawn = {
    alerts: alerts.map(({ name }) => name),
    panels: panels
      .map(({ title }, index) => ({ title, data: data[index] }))
      .filter(({ data }) => data)
      .map(({ title, data: { frames, exemplars } }) => ({
        title,
        points: frames.flatMap(({ fields }) => fields[1].values).filter(Number.isFinite).length,
        exemplars: exemplars.length,
      })),
  };
}

main().catch((error) => {
  console.error(error);
  window.drawn = { error: String(error.stack ?? error) };
});
