using Peft.Cli;

#pragma warning disable RS0030 // the program itself owns the console
return await new PeftTool(Console.In, Console.Out, Console.Error).RunAsync(args, handleSignals: true);
#pragma warning restore RS0030
