// Each measurement prints one line of JSON. docs/performance.md has the results.
using System.CommandLine;
using Peft;
using Peft.Benchmarks;

TorchRuntime.Require();
var root = new RootCommand("Measures the speed and memory of training, alignment, generation, loading, the optimizer and attention.")
{
    TrainBenchmark.Command(), EncodeBenchmark.Command(), SftBenchmark.Command(), DpoBenchmark.Command(), OnlineBenchmark.Command("grpo"), OnlineBenchmark.Command("ppo"), GenerateBenchmark.Command(), ServeBenchmark.Command(), LoadBenchmark.Command(),
    OptimizerBenchmark.Command(), AttentionBenchmark.Command(), ProductsBenchmark.Command(), CompareCommand.Command(), TechniquesCommand.Command(), PlotsCommand.Command(), RatiosCommand.Command(),
};
Common.AddTo(root);
try
{
    return root.Parse(args).Invoke(new() { EnableDefaultExceptionHandler = false });
}
catch (InvalidOperationException error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}
