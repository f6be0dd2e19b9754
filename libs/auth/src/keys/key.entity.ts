import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { PrincipalKind } from '#platform';

@Entity('api_key')
export class KeyEntity {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') kind!: PrincipalKind;
  @Column('uuid') userId!: string;
  @Column('uuid') accountId!: string;
  @Column('text', { nullable: true }) name!: string | null;
  @Column('text') prefix!: string;
  @Column('bytea', { select: false }) digest!: Buffer;
  @Column('text', { array: true }) scopes!: string[];
  @Column('text', { array: true, nullable: true }) projectIds!: string[] | null;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt!: Date;
  @Column('timestamptz', { nullable: true }) expiresAt!: Date | null;
  @Column('timestamptz', { nullable: true }) revokedAt!: Date | null;
  @Column('text', { nullable: true }) revokeReason!: string | null;
  @Column('timestamptz', { nullable: true }) lastUsedAt!: Date | null;
  @Column('text', { nullable: true }) lastUsedIp!: string | null;
  @Column('uuid', { nullable: true }) replacedBy!: string | null;
  @Column('uuid', { nullable: true }) createdBy!: string | null;
  @Column('uuid', { nullable: true }) ssoIdentityId!: string | null;
}
