import { TIERS } from '#platform';
import { entitlementsOf, hasFeature, lowestTierWith, storageLimitOf } from './tiers.js';

const MIB = 1_048_576;

describe('the table of tiers', () => {
  it.each([
    ['cloud_sync', 'starter'],
    ['handoff', 'pro'],
    ['project_context', 'pro'],
    ['agent_personas', 'pro'],
    ['team_management', 'team'],
    ['agent_tickets', 'team'],
    ['saml_sso', 'enterprise'],
    ['no_such_feature', 'enterprise'],
    ['constructor', 'enterprise'],
  ])('has %s from %s on, and not below', (feature, lowest) => {
    expect(lowestTierWith(feature)).toBe(lowest);
    const having = TIERS.filter((tier) => hasFeature(tier, feature));
    expect(having).toEqual(TIERS.slice(TIERS.indexOf(lowest as (typeof TIERS)[number])));
  });

  it('lets everybody sign in through OIDC', () => {
    expect(TIERS.every((tier) => hasFeature(tier, 'oidc_sso'))).toBe(true);
  });

  it('bounds storage by tier, per seat for an organisation', () => {
    expect(TIERS.map((tier) => storageLimitOf(tier, null))).toEqual([null, 500 * MIB, 500 * MIB, 1024 * MIB, null]);
    expect(storageLimitOf('team', 7)).toBe(7 * 1024 * MIB);
    expect(storageLimitOf('enterprise', 7)).toBeNull();
  });

  it('bounds archives and knowledge', () => {
    expect(TIERS.map((tier) => entitlementsOf(tier).archiveBytes / MIB)).toEqual([50, 50, 300, 300, 300]);
    expect(TIERS.map((tier) => entitlementsOf(tier).archiveMemberBytes / MIB)).toEqual([10, 10, 50, 50, 50]);
    expect(TIERS.map((tier) => entitlementsOf(tier).knowledgeAddsPerHour)).toEqual([20, 50, 100, 100, 200]);
  });
});
