import { ApiProperty } from '@nestjs/swagger';

export class ApiDevServer {
  @ApiProperty({ description: 'Of the checkout; `.` for its root', example: 'apps/web' }) packagePath!: string;
  @ApiProperty({ description: 'That it listens at inside the sandbox', example: 3000 }) port!: number;
  @ApiProperty({ description: 'A credential: whoever has it may use the preview, for eight hours at most' })
  url!: string;
}

export class ApiStoppedDevServer {
  @ApiProperty() stopped!: boolean;
  @ApiProperty({ nullable: true, type: String }) packagePath!: string | null;
  @ApiProperty({ nullable: true, type: Number }) port!: number | null;
}

export class ApiStartedCodeEditor {
  @ApiProperty({ description: 'A credential, as that of a dev server' }) url!: string;
  @ApiProperty({ example: 8000 }) port!: number;
}

export class ApiCodeEditor {
  @ApiProperty() running!: boolean;
  @ApiProperty({
    nullable: true,
    type: String,
    description: 'For keys that may write; null too where another process has it',
  })
  url!: string | null;
  @ApiProperty({ nullable: true, type: Number }) port!: number | null;
}

export class ApiStoppedCodeEditor {
  @ApiProperty() stopped!: boolean;
}
