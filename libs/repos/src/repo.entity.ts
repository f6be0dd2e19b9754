import { Column, CreateDateColumn, Entity, PrimaryColumn } from 'typeorm';
import type { Visibility } from './repo.js';

@Entity('repo')
export class RepoEntity {
  @PrimaryColumn('text') id!: string;
  @Column('uuid') storageId!: string;
  @Column('uuid') accountId!: string;
  @Column('text', { nullable: true }) namespace!: string | null;
  @Column('text') slug!: string;
  @Column('text', { nullable: true }) description!: string | null;
  @Column('text') defaultBranch!: string;
  @Column('text') visibility!: Visibility;
  @Column('boolean') isTemplate!: boolean;
  @CreateDateColumn({ type: 'timestamptz' }) createdAt!: Date;
  @Column('timestamptz') updatedAt!: Date;
}
