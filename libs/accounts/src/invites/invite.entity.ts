import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { InviteRole } from './invite.js';

@Entity('org_invite')
export class InviteEntity {
  @PrimaryColumn('text') id!: string;
  @Column('text') orgId!: string;
  @Column('text') email!: string;
  @Column('text') role!: InviteRole;
  @Column('uuid') invitedBy!: string;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt!: Date;
  @Column('timestamptz') expiresAt!: Date;
  @Column('timestamptz', { nullable: true }) acceptedAt!: Date | null;
  @Column('timestamptz', { nullable: true }) declinedAt!: Date | null;
  @Column('text', { nullable: true }) declineReason!: string | null;
  @Column('timestamptz', { nullable: true }) lastEmailedAt!: Date | null;
  @Column('uuid', { nullable: true }) mailId!: string | null;
  @Column('bytea', { nullable: true }) tokenDigest!: Buffer | null;
}
