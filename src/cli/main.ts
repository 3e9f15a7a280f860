/**
 * The `loadstone` command.
 */
import { Command, CommanderError, Option } from 'commander';
import { describeError } from '#base/errors';
import { LOG_LEVELS } from '#base/log';
import { LOG_FORMATS } from '#base/log/format';
import { SYSTEMS_DEFAULT } from '#server/systems/list';
import { VERSION } from '#server/version';
import type { StartFlags } from './config.ts';
import { isFlagFault } from './flag-fault.ts';

const ENVIRONMENT = `
Environment (flags win):
  LOADSTONE_CONFIG, LOADSTONE_DATA, LOADSTONE_LISTEN, LOADSTONE_PUBLIC_URL,
  LOADSTONE_SYSTEMS, LOADSTONE_DATABASE, LOADSTONE_LOG_LEVEL, LOADSTONE_LOG_FORMAT,
  LOADSTONE_PROCESSES, LOADSTONE_ROLE, OTEL_EXPORTER_OTLP_ENDPOINT
  LOADSTONE_ROOT_KEY    the API key of the default workspace; at least 24 characters;
                        a changed value replaces the old key
  LOADSTONE_MASTER_KEY  32 bytes in base64url that seal secrets; without it a file
                        of mode 0600 in the data directory is used

Further options go into loadstone.yaml: see docs/options.md.
`;

function addStartCommand(program: Command): void {
  program
    .command('start')
    .description('Start the server; with an embedded Postgres unless --database names another.')
    .option('--data <dir>', 'directory of everything the server keeps (default ./data)')
    .option('--listen <host:port>', 'address to listen on (default 127.0.0.1:8080; port 0 takes a free one)')
    .option('--public-url <url>', 'address under which clients reach the server (default http://LISTEN)')
    .option(
      '--systems <names>',
      `systems to run, separated by commas: names or paths (default ${SYSTEMS_DEFAULT.join(',')})`,
    )
    .option('--database <url>', 'postgres:// address to use instead of the embedded Postgres')
    .option(
      '--processes <n>',
      'processes that serve, on one socket; SIGHUP replaces them one by one (default 1)',
    )
    .option('--watch', 'start anew, without an interruption, when a file of your own system changes')
    .option('--join <dir>', 'add a process to the server that runs in this data directory')
    .addOption(
      new Option('--role <role>', 'what the process does (default all)').choices(['all', 'api', 'worker']),
    )
    .option('--config <file>', 'configuration file (default ./loadstone.yaml, if there is one)')
    .addOption(
      new Option('--log-level <level>', 'least severe level that is logged (default info)').choices(
        LOG_LEVELS,
      ),
    )
    .addOption(
      new Option(
        '--log-format <format>',
        'pretty for people, json for programs (default auto: by whether it is a terminal)',
      ).choices(LOG_FORMATS),
    )
    .allowExcessArguments(false)
    .addHelpText('after', ENVIRONMENT)
    // Loaded here, because the HTTP server is half of all there is to load, and no other command needs it.
    .action(async (flags: StartFlags) => (await import('./start/start.ts')).start(flags));
}

/** @param word the first of the command line */
async function createProgram(word: string | undefined): Promise<Command> {
  const program = new Command('loadstone')
    .description('The backend you can size, break and question.')
    .usage('<command>')
    .version(`loadstone ${VERSION}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'list commands or flags')
    .helpCommand(false)
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeErr: () => {} })
    .addHelpText('after', '\nThe flags of a command: loadstone <command> --help.\n');
  addStartCommand(program);
  // Only these lines of the program are needed to start a server, which should be there soon.
  if (word !== 'start') await (await import('./commands.ts')).addCommands(program, word);
  return program;
}

/** The command that the first words name, such as `jobs ls`. */
function commandOf(program: Command, words: readonly string[]): Command {
  const [word, ...rest] = words;
  const inner = program.commands.find((command) => command.name() === word);
  return inner ? commandOf(inner, rest) : program;
}

/** What is wrong with the command line, and what would be right, on one line. */
function describeUsage({ code, message }: CommanderError, command: Command): string {
  const commands = command.commands.map((inner) => inner.name()).join(', ');
  const flags = [...command.options.map((option) => option.long), '--help'].join(', ');
  const known: Record<string, string> = {
    'commander.help': `no command given; known is ${commands}`,
    'commander.unknownCommand': `${message}; known is ${commands}`,
    'commander.unknownOption': `${message}; known is ${flags}`,
  };
  return (known[code] ?? message).replace(/^error: /, '');
}

// With it the Postgres driver wants a native part that is not installed, and ends the program as soon as it is loaded.
delete process.env.NODE_PG_FORCE_NATIVE;

const program = await createProgram(process.argv[2]);
try {
  await program.parseAsync(process.argv);
} catch (error) {
  if (!(error instanceof CommanderError)) {
    process.stderr.write(`loadstone: ${describeError(error)}\n`);
    process.exitCode = isFlagFault(error) ? 2 : 1;
  } else if (error.exitCode !== 0) {
    process.stderr.write(`loadstone: ${describeUsage(error, commandOf(program, process.argv.slice(2)))}\n`);
    process.exitCode = 2;
  }
}
