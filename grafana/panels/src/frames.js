// Grafana's data frames, made of Prometheus' series and a panel's field configuration.

import { FieldConfigOptionsRegistry, FieldType, applyFieldOverrides, identityOverrideProcessor } from '@grafana/data';

/** Properties of a field that dashboards may set. What is in no list is ignored by Grafana's code, so it fails here. */
const STANDARD = ['color', 'decimals', 'displayName', 'mappings', 'max', 'min', 'noValue', 'thresholds', 'unit'];
const CUSTOM = [
  'axisSoftMax',
  'drawStyle',
  'fillOpacity',
  'lineStyle',
  'lineWidth',
  'showPoints',
  'spanNulls',
  'thresholdsStyle',
];

const property = (id, path, isCustom) => ({
  id,
  path,
  isCustom,
  process: identityOverrideProcessor,
  shouldApply: ({ type }) => type !== FieldType.time,
});

const REGISTRY = new FieldConfigOptionsRegistry(() => [
  ...STANDARD.map((name) => property(name, name, false)),
  ...CUSTOM.map((name) => property(`custom.${name}`, name, true)),
]);

/** A series' frame, before the panel's configuration is applied. */
export function frame({ metric, samples }, { refId, legendFormat }) {
  const name = legendFormat.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => metric[label] ?? '');
  const time = samples.map(([time]) => time * 1000);
  const value = samples.map(([, value]) => value && Number(value.replace('Inf', 'Infinity')));
  const fields = [
    { name: 'Time', type: FieldType.time, config: {}, values: time },
    { name: 'Value', type: FieldType.number, config: { displayNameFromDS: name }, labels: metric, values: value },
  ];
  return { refId, name, length: samples.length, fields };
}

/** The frames as the panel configures their fields. Throws for a property that is in no list above. */
export function configured(frames, { fieldConfig }, theme) {
  const { custom = {}, ...standard } = fieldConfig.defaults;
  const set = [...Object.keys(standard), ...Object.keys(custom).map((name) => `custom.${name}`)];
  const overridden = fieldConfig.overrides.flatMap(({ properties }) => properties.map(({ id }) => id));
  const unknown = [...set, ...overridden].filter((id) => !REGISTRY.getIfExists(id));
  if (unknown.length) throw new Error(`field configuration not known here: ${unknown}`);
  return applyFieldOverrides({
    data: frames,
    fieldConfig: structuredClone({ ...fieldConfig, defaults: withLowestStep(fieldConfig.defaults) }),
    fieldConfigRegistry: REGISTRY,
    replaceVariables: (text) => text,
    theme,
    timeZone: 'utc',
  });
}

/** JSON has no minus infinity, so that the lowest threshold is `null` in a file. */
function withLowestStep(defaults) {
  const { mode = 'absolute', steps = [{ color: 'green', value: null }] } = defaults.thresholds ?? {};
  const finite = steps.map(({ color, value }) => ({ color, value: value ?? -Infinity }));
  return { ...defaults, thresholds: { mode, steps: finite } };
}
