/**
 * The `loadstone` command.
 */
import { Command, CommanderError, Option } from 'commander';
import { describeError } from '#base/errors';
import { LOG_LEVELS } from '#base/log';
import type { StartFlags } from './config.ts';
import { start } from './start.ts';

const ENVIRONMENT = `
Environment (flags win):
  LOADSTONE_CONFIG, LOADSTONE_DATA, LOADSTONE_LISTEN, LOADSTONE_PUBLIC_URL,
  LOADSTONE_SYSTEMS, LOADSTONE_DATABASE, LOADSTONE_LOG_LEVEL
  LOADSTONE_ROOT_KEY    the API key of the default workspace; at least 24 characters;
                        a changed value replaces the old key
  LOADSTONE_MASTER_KEY  32 bytes in base64url that seal secrets; without it a file
                        of mode 0600 in the data directory is used

Further options go into loadstone.yaml: see docs/options.md.
`;

function createProgram(): Command {
  const program = new Command('loadstone')
    .description('The backend you can size, break and question.')
    .helpOption('-h, --help', 'list the flags')
    .helpCommand(false)
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeErr: () => {} });
  program
    .command('start')
    .description('Start the server; with an embedded Postgres unless --database names another.')
    .option('--data <dir>', 'directory of everything the server keeps (default ./data)')
    .option('--listen <host:port>', 'address to listen on (default 127.0.0.1:8080; port 0 takes a free one)')
    .option('--public-url <url>', 'address under which clients reach the server (default http://LISTEN)')
    .option('--systems <names>', 'systems to run, separated by commas: names or paths (default links)')
    .option('--database <url>', 'postgres:// address to use instead of the embedded Postgres')
    .option('--config <file>', 'configuration file (default ./loadstone.yaml, if there is one)')
    .addOption(
      new Option('--log-level <level>', 'least severe level that is logged (default info)').choices(
        LOG_LEVELS,
      ),
    )
    .allowExcessArguments(false)
    .addHelpText('after', ENVIRONMENT)
    .action((flags: StartFlags) => start(flags));
  return program;
}

/** What is wrong with the command line, and what would be right, on one line. */
function describeUsage({ code, message }: CommanderError, program: Command): string {
  const commands = program.commands.map((command) => command.name()).join(', ');
  const flags = program.commands
    .flatMap((command) => command.options.map((option) => option.long))
    .join(', ');
  const known: Record<string, string> = {
    'commander.help': `no command given; known is ${commands}`,
    'commander.unknownCommand': `${message}; known is ${commands}`,
    'commander.unknownOption': `${message}; known is ${flags}, --help`,
  };
  return (known[code] ?? message).replace(/^error: /, '');
}

const program = createProgram();
try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (!(error instanceof CommanderError)) {
    process.stderr.write(`loadstone: ${describeError(error)}\n`);
    process.exitCode = 1;
  } else if (error.exitCode !== 0) {
    process.stderr.write(`loadstone: ${describeUsage(error, program)}\n`);
    process.exitCode = 2;
  }
}
