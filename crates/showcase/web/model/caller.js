// Who called, where the parent of a span is not in its trace.

/** @import { Span } from "../types.js" */

/** Whether the span answers somebody else's request or message. @param {Pick<Span, "kind">} span */
export const isRequest = ({ kind }) => kind === "SERVER" || kind === "CONSUMER";

/** The bit of a span's flags that says that its parent is another process'. */
export const IS_REMOTE = 0x200;

/** Whether the parent of the span, if it has one, is another process'. @param {Span} span */
export const cameFromOutside = (span) => (span.flags & IS_REMOTE) !== 0 || isRequest(span);

/**
 * A request that comes with a parent comes from outside: from a browser or a gateway that sends its spans elsewhere, or
 * none. Of any other span the parent is of its own service, and has to come yet.
 * @param {Span} span Without its parent.
 */
export function caller(span) {
  return cameFromOutside(span)
    ? {
        outside: true,
        badge: "Called from outside",
        text: "A caller that has sent no spans of this trace: a browser, a gateway, another team's service.",
      }
    : {
        outside: false,
        badge: "Parent missing",
        text: "Not in this trace: it has not ended yet, was lost, or was not sampled.",
      };
}
