// Something to see on the dashboards: a ramp, a steady minute, three spikes; four minutes in all.
import http from 'k6/http';
import { check } from 'k6';

export const options = {
  scenarios: {
    load: {
      // Calls arrive at the rate stated, however long the answers take: a slow pong shows as latency, not as less load.
      executor: 'ramping-arrival-rate',
      preAllocatedVUs: 50,
      maxVUs: 500,
      stages: [
        { target: 50, duration: '60s' },
        { target: 50, duration: '60s' },
        ...[1, 2, 3].flatMap(() => [
          { target: 300, duration: '5s' },
          { target: 300, duration: '10s' },
          { target: 50, duration: '5s' },
          { target: 50, duration: '20s' },
        ]),
      ],
    },
  },
};

export default function () {
  const response = http.get('http://ping:8081/ping', { timeout: '10s' });
  check(response, { 'is ok': ({ status, body }) => status === 200 && body === 'ok' });
}
