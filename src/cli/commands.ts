/**
 * Every command but `start`.
 */
import type { Command } from 'commander';
import { addBackupCommand } from './backup.ts';
import { addCalibrateCommand } from './calibrate.ts';
import { addDatabaseCommand } from './database.ts';
import { addDoctorCommand } from './doctor.ts';
import { addDrillCommand } from './drill.ts';
import { addGroupsCommands } from './groups.ts';
import { addJobsCommands } from './jobs.ts';
import { addPlanCommand } from './plan.ts';
import { addPsCommand } from './ps.ts';
import { addRebuildCommand } from './rebuild.ts';
import { addRestoreCommand } from './restore.ts';
import { addVerifyCommand } from './verify.ts';

export function addCommands(program: Command): void {
  addJobsCommands(program);
  addGroupsCommands(program);
  addVerifyCommand(program);
  addRebuildCommand(program);
  addDoctorCommand(program);
  addDatabaseCommand(program);
  addCalibrateCommand(program);
  addPlanCommand(program);
  addPsCommand(program);
  addDrillCommand(program);
  addBackupCommand(program);
  addRestoreCommand(program);
}
