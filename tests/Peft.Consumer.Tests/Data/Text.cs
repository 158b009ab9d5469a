using Peft;

// Arguments: the folder of a model, and a folder for the cache.
var tokenizer = Tokenizer.FromPretrained(args[0]);
Console.Write(tokenizer.Decode(tokenizer.Encode("Once upon a time")));
using var hub = new HubClient(new HubOptions { CacheFolder = Path.Combine(args[1], "cache"), Offline = true });
try
{
    await hub.DownloadModelAsync("org/name");
}
catch (PeftException error) when (error is HubException { Reason: var reason })
{
    Console.WriteLine($" | {reason}");
}
