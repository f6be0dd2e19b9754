import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { Tier } from '#platform';

@Entity('account')
export class AccountEntity {
  @PrimaryColumn('uuid') id!: string;
  @Column('text') kind!: 'personal' | 'organisation';
  @Column('text') slug!: string;
  @Column('text') tier!: Tier;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt!: Date;
}

@Entity('app_user')
export class UserEntity {
  @PrimaryColumn('uuid') id!: string;
  @Column('uuid') accountId!: string;
  @Column('text') email!: string;
  @Column('boolean') emailVerified!: boolean;
  @Column('text', { nullable: true }) displayName!: string | null;
  @Column('boolean') isAdmin!: boolean;
  @Column('boolean') isActive!: boolean;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt!: Date;
}
