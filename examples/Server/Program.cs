// An OpenAI-compatible server: dotnet run --project examples/Server -c Release -- --Peft:Model=models/my-model --Peft:Adapters:support=out/support
await Peft.Server.ServerApp.Build(args).RunAsync();
