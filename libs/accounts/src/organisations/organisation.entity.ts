import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { OrgRole } from './organisation.js';

/** bigint columns arrive as text; every byte count we keep fits a double exactly. */
const BYTES = { to: (value: number): number => value, from: (value: string): number => Number(value) };

@Entity('organisation')
export class OrganisationEntity {
  @PrimaryColumn('text') id!: string;
  @Column('uuid') accountId!: string;
  @Column('text') name!: string;
  @Column('integer') seatsLimit!: number;
  @Column('bigint', { transformer: BYTES }) storageLimitBytes!: number;
  @Column('integer', { nullable: true }) kbRetentionDays!: number | null;
  @Column('integer', { nullable: true }) kbMaxContextWords!: number | null;
  @Column('integer', { nullable: true }) kbSectionPageLimit!: number | null;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt!: Date;
}

@Entity('org_member')
export class MembershipEntity {
  @PrimaryColumn('text') orgId!: string;
  @PrimaryColumn('uuid') userId!: string;
  @Column('text') role!: OrgRole;
  @CreateDateColumn({ type: 'timestamptz' }) joinedAt!: Date;
}
