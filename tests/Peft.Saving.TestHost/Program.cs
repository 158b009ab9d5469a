// Saves over the folders of all kinds of writers, each in a thread of its own, until it is killed. Arguments: the root of the folders, where "tokenizers" holds
// two tokenizers; how many folders of each kind; "once" to save each but once. Says "ready" when each was saved.
// All that one save writes holds the same number, so that a mixture of two saves shows.
// With the arguments "tokens", a cache, a tokenizer and a number of datasets, it tokenizes these.
using Peft.Saving.TestHost;
using static TorchSharp.torch;

set_num_threads(1);
if (args[0] == "tokens")
{
    SharedTokens.Run(args[1], args[2], int.Parse(args[3], System.Globalization.CultureInfo.InvariantCulture));
    return;
}
var (root, copies, once) = (args[0], int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture), args.Length > 2);
Writers.Prepare(root);
// Folders that a process stands in are not exchanged, but written file by file.
var inside = Directory.CreateDirectory(Path.Combine(root, "inside", "inside")).FullName;
Environment.CurrentDirectory = inside;
List<Action<int>> writers = [Writers.Adapter(inside), Writers.Adapter(Path.GetDirectoryName(inside)!)];
for (var i = 0; i < copies; i++)
{
    writers.Add(Writers.Adapter(Path.Combine(root, $"adapter-{i}")));
    writers.Add(Writers.Experts(root, Path.Combine(root, $"experts-{i}")));
    writers.Add(Writers.Model(Path.Combine(root, $"model-{i}")));
    writers.Add(Writers.Tokenizer(root, Path.Combine(root, $"tokenizer-{i}")));
    writers.Add(Writers.Files(Path.Combine(root, $"files-{i}")));
    writers.Add(Writers.Run(Path.Combine(root, $"run-{i}")));
}
using var saved = new CountdownEvent(writers.Count);
var threads = writers.Select(write => new Thread(() =>
{
    for (var number = Environment.ProcessId % 1000; ; number = (number + 1) % 1000)
    {
        write(1 + number);
        if (!saved.IsSet) saved.Signal();
        if (once) return;
        saved.Wait();
    }
})).ToList();
foreach (var thread in threads) thread.Start();
saved.Wait();
Console.WriteLine("ready");
foreach (var thread in threads) thread.Join();
