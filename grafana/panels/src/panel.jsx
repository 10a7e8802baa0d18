// One panel: Grafana's frame around Grafana's time series or figures.

import { Component, useEffect, useLayoutEffect, useMemo, useRef } from 'react';
import { colorManipulator, getDisplayValueAlignmentFactors, getFieldDisplayValues } from '@grafana/data';
import { BigValue, EventsCanvas, PanelChrome, TimeSeries, VizRepeater } from '@grafana/ui';

/** What a panel asks: its frames, its exemplars, and the alerts that are drawn across it. */
export function Panel({ panel, data, range, theme, width, height }) {
  const Kind = { stat: Figures, timeseries: Lines }[panel.type];
  return (
    <PanelChrome title={panel.title} description={panel.description} width={width} height={height}>
      {(width, height) => (
        <Boundary>
          <Kind {...{ panel, range, theme, width, height }} {...data} />
        </Boundary>
      )}
    </PanelChrome>
  );
}

/** Shows what went wrong in a panel instead of an empty page. */
class Boundary extends Component {
  state = {};

  static getDerivedStateFromError(error) {
    return { error };
  }

  render() {
    const { error } = this.state;
    return error ? <pre className="error">{String(error.stack ?? error)}</pre> : this.props.children;
  }
}

/** Says that there is nothing to draw. */
const Nothing = ({ panel }) => <p className="nothing">{panel.fieldConfig.defaults.noValue ?? 'No data'}</p>;

function Figures({ panel, frames, theme, width, height }) {
  if (!frames.length) return <Nothing panel={panel} />;
  const { options, fieldConfig } = panel;
  const values = () =>
    getFieldDisplayValues({
      data: frames,
      fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables: (text) => text,
      theme,
      timeZone: 'utc',
    });
  return (
    <VizRepeater
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      source={frames}
      renderCounter={0}
      autoGrid
      itemSpacing={3}
      {...{ width, height, orientation: options.orientation }}
      renderValue={({ value, width, height, count, alignmentFactors }) => (
        <BigValue
          {...{ value: value.display, width, height, count, alignmentFactors, theme }}
          colorMode={options.colorMode}
          graphMode={options.graphMode}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          disableWideLayout={!options.wideLayout}
        />
      )}
    />
  );
}

function Lines({ panel, frames, exemplars, alerts, range, theme, width, height }) {
  if (!frames.length) return <Nothing panel={panel} />;
  return (
    <TimeSeries {...{ frames, width, height, legend: panel.options.legend }} timeRange={range} timeZone="utc">
      {(config) => (
        <>
          <Bands {...{ config, alerts, theme }} />
          <Labels config={config} />
          <Exemplars {...{ config, exemplars, theme }} />
        </>
      )}
    </TimeSeries>
  );
}

/** A diamond for each exemplar. */
function Exemplars({ config, exemplars, theme }) {
  const { scaleKey } = config.getSeries()[0].props;
  const plot = useRef();
  useLayoutEffect(() => {
    config.addHook('init', (drawn) => {
      plot.current = drawn;
    });
  }, [config]);
  // `EventsCanvas` places its markers when a plot is drawn, but misses the first time, before it is mounted.
  useEffect(() => plot.current.redraw(), [config]);
  const events = useMemo(() => [{ length: exemplars.length, points: exemplars }], [exemplars]);
  const place = ({ points }, index) => {
    const { time, value } = points[index];
    const { scales, valToPos } = plot.current;
    const { min, max } = scales[scaleKey];
    const shown = Math.min(Math.max(value, min), max); // one that is off the scale lies at its end
    return { x: valToPos(time * 1000, 'x'), y: valToPos(shown, scaleKey) };
  };
  const diamond = () => (
    <svg className="exemplar" viewBox="0 0 7 7" width="7" height="7">
      <rect x="1" y="1" width="5" height="5" transform="rotate(45 3.5 3.5)" fill={theme.colors.warning.main} />
    </svg>
  );
  return (
    <EventsCanvas
      id="exemplars"
      config={config}
      events={events}
      mapEventToXYCoords={place}
      renderEventMarker={diamond}
    />
  );
}

/** Red from when an alert fires until it clears, as Grafana draws an annotation of a region. */
function Bands({ config, alerts, theme }) {
  useLayoutEffect(() => {
    const red = theme.visualization.getColorByName('red');
    config.addHook('drawClear', ({ ctx, bbox, valToPos, scales }) => {
      ctx.save();
      for (const { from, to } of alerts) {
        const left = valToPos(Math.max(from * 1000, scales.x.min), 'x', true);
        const right = valToPos(Math.min(to * 1000, scales.x.max), 'x', true);
        ctx.fillStyle = colorManipulator.alpha(red, 0.1);
        ctx.fillRect(left, bbox.top, right - left, bbox.height);
        ctx.fillStyle = red;
        ctx.fillRect(left, bbox.top + bbox.height, right - left, 3 * devicePixelRatio);
      }
      ctx.restore();
    });
  }, [config, alerts, theme]);
  return null;
}

/** A canvas has no text, so that its axes' labels are handed to tests as `data-labels`. */
function Labels({ config }) {
  useLayoutEffect(() => {
    config.addHook('draw', ({ root, axes }) => {
      root.dataset.labels = axes.flatMap(({ _values }) => _values ?? []).join('\n');
    });
  }, [config]);
  return null;
}
