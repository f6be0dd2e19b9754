/** A rule that refuses whatever one of the selectors matches. Its own rule (not one big list) so that it has a name. */
export function banned(selectors, message) {
  return {
    meta: { type: 'problem', schema: [], messages: { banned: message } },
    create: (context) => ({
      [selectors.join(', ')]: (node) => context.report({ node, messageId: 'banned' }),
    }),
  };
}

/** The given rule, silent about the callback of a `describe`: a suite is a list of functions, not one. */
export function exceptDescribe(rule) {
  return {
    meta: rule.meta,
    create(context) {
      const report = (problem) => isDescribeCallback(problem.node) || context.report(problem);
      return rule.create(Object.create(context, { report: { value: report } }));
    },
  };
}

/** Covers `describe(…)`, `describe.each(…)(…)`, `describe.each` with a table, and `describe.only`; `onAbleMachines` is one. */
function isDescribeCallback(node) {
  if (node.parent?.type !== 'CallExpression') return false;
  let callee = node.parent.callee;
  while (callee.type !== 'Identifier') {
    const inner = callee.callee ?? callee.object ?? callee.tag;
    if (!inner) return false;
    callee = inner;
  }
  return callee.name === 'describe' || callee.name === 'onAbleMachines';
}
