import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Single sign-on: connections and domains of organisations, identities at providers, sign-ins under way (docs/sso.md). */
export class CreateSso1700000006000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    for (const statement of STATEMENTS) await runner.query(statement);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('drop trigger sso_membership_ended on org_member');
    await runner.query('drop function end_sso_identity');
    await runner.query('drop view sso_bound');
    await runner.query('alter table api_key drop column sso_identity_id');
    await runner.query('drop table sso_attempt, sso_identity, sso_domain, sso_connection');
  }
}

const STATEMENTS = [
  `create table sso_connection (
    org_id text primary key references organisation (id) on delete cascade,
    issuer text not null,
    client_id text not null,
    client_secret bytea,
    enforce boolean not null,
    default_role text not null check (default_role in ('member', 'admin')),
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
  )`,
  `create table sso_domain (
    org_id text not null references organisation (id) on delete cascade,
    domain text not null check (domain = lower(domain)),
    challenge text not null,
    verified_at timestamptz,
    verified_by text check (verified_by in ('dns', 'admin')),
    created_at timestamptz not null default now(),
    primary key (org_id, domain),
    check ((verified_at is null) = (verified_by is null))
  )`,
  // Many may claim a domain, one has proved it.
  `create unique index sso_domain_verified on sso_domain (domain) where verified_at is not null`,
  // A person is issuer and subject, never an e-mail address, which providers change and hand on. org_id: the connection
  // it came through; null for that of the whole installation.
  `create table sso_identity (
    id uuid primary key,
    org_id text references organisation (id) on delete cascade,
    issuer text not null,
    subject text not null,
    user_id uuid not null references app_user (id),
    created_at timestamptz not null default now(),
    last_sign_in_at timestamptz not null default now(),
    deactivated_at timestamptz,
    unique nulls not distinct (org_id, issuer, subject)
  )`,
  `create index sso_identity_by_user on sso_identity (user_id)`,
  // Secrets a browser or client brings back are kept as digests; the two we have to send on live ten minutes.
  `create table sso_attempt (
    digest bytea primary key,
    email text,
    org_slug text,
    redirect text,
    code_challenge text,
    expires_at timestamptz not null,
    org_id text references organisation (id) on delete cascade,
    issuer text,
    client_id text,
    redirect_uri text,
    state_digest bytea unique,
    browser_digest bytea,
    nonce text,
    pkce_verifier text,
    used_at timestamptz,
    identity_id uuid references sso_identity (id) on delete cascade,
    code_digest bytea unique,
    code_expires_at timestamptz,
    exchanged_at timestamptz
  )`,
  `create index sso_attempt_by_expiry on sso_attempt (expires_at)`,
  `alter table api_key add column sso_identity_id uuid references sso_identity (id) on delete set null`,
  `create index api_key_by_sso_identity on api_key (sso_identity_id) where sso_identity_id is not null`,
  // Who may act for an organisation only with a key from its sign-in: members whose address is under one of its proved
  // domains while it enforces. The owner is let in with any key, so that a broken provider locks nobody out for good.
  `create view sso_bound as
    select m.org_id, m.user_id
      from org_member m
      join sso_connection c on c.org_id = m.org_id and c.enforce
      join app_user u on u.id = m.user_id
      join sso_domain d on d.org_id = m.org_id and d.verified_at is not null
                       and d.domain = substring(u.email from '[^@]*$')
     where m.role <> 'owner'`,
  // However a membership ends, what the sign-in made ends in the same transaction; coming back takes an invitation.
  `create function end_sso_identity() returns trigger language plpgsql as $$
    begin
      update sso_identity set deactivated_at = now()
       where org_id = old.org_id and user_id = old.user_id and deactivated_at is null;
      with ended as (
        update api_key k set revoked_at = now(), revoke_reason = 'membership ended'
          from sso_identity i
         where i.id = k.sso_identity_id and i.org_id = old.org_id and i.user_id = old.user_id
           and (k.revoked_at is null or k.revoked_at > now())
        returning k.id)
      insert into revocation (kind, subject_id) select 'key', id::text from ended;
      return null;
    end $$`,
  `create trigger sso_membership_ended after delete on org_member for each row execute function end_sso_identity()`,
];
