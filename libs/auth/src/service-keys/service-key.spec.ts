import { problemWithProjects, problemWithScopes, storedProjects, storedScopes } from './service-key.js';

describe('the scopes of a service key', () => {
  it('are listed one by one: the wildcard is for people', () => {
    expect(problemWithScopes(['repos:read', '*'])).toMatch(/lists its scopes/);
  });

  it('are known ones; the refusal names the unknown and the whole vocabulary', () => {
    const problem = problemWithScopes(['repos:read', 'repos:admin', 'x']);
    expect(problem).toMatch(/^Unknown scopes: repos:admin, x\./);
    expect(problem).toContain('work_queues:write');
    expect(problemWithScopes(['constructor'])).not.toBeNull();
  });

  it('are stored once each, in the order given, write with its read', () => {
    expect(problemWithScopes(['tickets:write', 'repos:read', 'tickets:write'])).toBeNull();
    expect(storedScopes(['tickets:write', 'repos:read', 'tickets:write'])).toEqual([
      'tickets:write',
      'tickets:read',
      'repos:read',
    ]);
  });
});

describe('the projects of a service key', () => {
  const [one, two] = ['proj_0123456789abcdef', 'proj_fedcba9876543210'];

  it('are stored trimmed and once each; none at all means all', () => {
    expect(storedProjects([` ${one}`, two, one, '', '  '])).toEqual([one, two]);
    for (const none of [[], [' '], null, undefined]) expect(storedProjects(none)).toBeNull();
  });

  it('have the shape of project ids', () => {
    expect(problemWithProjects([one], ['tickets:read'])).toBeNull();
    for (const id of ['proj_1', 'org_0123456789abcdef', `${one}0`]) {
      expect(problemWithProjects([id], ['tickets:read'])).toMatch(/Not a project id/);
    }
  });

  it('do not go with scopes they could not limit', () => {
    expect(problemWithProjects([one], ['tickets:read', 'repos:read'])).toMatch(/repos:read cannot be limited/);
    expect(problemWithProjects(null, ['repos:write'])).toBeNull();
  });
});
