using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>
/// Random programs over everything that changes which adapters act: what a pass then gives is compared, after each statement, with a plain account of what should be in effect.
/// </summary>
public sealed class ProgramTests : IDisposable
{
    private const int Programs = 300, Statements = 30, RowCount = 4;

    private static readonly (string Method, AdapterOptions Options)[] Kinds =
    [
        ("lora", new LoraOptions { Rank = 2, TargetModules = "all-linear" }),
        ("small", new LoraOptions { Rank = 1, TargetModules = ["q_proj", "down_proj"] }),
        ("dora", new LoraOptions { Rank = 2, UseDora = true, TargetModules = ["v_proj", "o_proj"] }),
        ("ia3", new Ia3Options { TargetModules = ["k_proj", "down_proj"], FeedForwardModules = ["down_proj"] }),
        ("prompt", new PromptTuningOptions { VirtualTokens = 3 }),
    ];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Whatever_is_nested_swapped_merged_renamed_or_deleted_each_pass_sees_what_is_in_effect()
    {
        using var expected = new Account(folder);
        using var model = SmallModel.Create();
        var bits = model.Bits();
        var statements = new Dictionary<string, int>();
        for (var seed = 0; seed < Programs; seed++)
        {
            using var program = new Program(model, folder, expected, seed, statements);
            program.Run();
        }
        model.Bits().ShouldBeBits(bits);
        // Each kind of statement ran, and was refused where it can be.
        statements.Values.ShouldAllBe(count => count > 20, string.Join(", ", statements.Select(pair => $"{pair.Key}: {pair.Value}")));
        statements.Count.ShouldBe(22, string.Join(", ", statements.Keys.Order()));
    }

    /// <summary>What a stack of kinds gives, computed by a model of its own on which nothing ever changes but what is active.</summary>
    private sealed class Account : IDisposable
    {
        private readonly CausalLM model = SmallModel.Create();
        private readonly PeftModel peft;
        private readonly Dictionary<string, Tensor> known = [];

        public Account(TemporaryFolder folder)
        {
            peft = new PeftModel(model);
            foreach (var (kind, options) in Kinds)
            {
                peft.AddSample("", kind, seed: 1, options).Trained(seed: kind.Length);
                peft.SaveAdapter(folder, kind);
                peft.LoadAdapter(folder[kind], Twin(kind));
            }
        }

        // Two adapters of a program may be of one kind.
        private static string Twin(string kind) => kind + " again";

        /// <summary>Logits of a row, <c>[1, 6, vocabulary]</c>.</summary>
        public Tensor Of(IReadOnlyList<string> kinds, long row)
        {
            var key = $"{string.Join('+', kinds)} {row}";
            if (known.TryGetValue(key, out var logits)) return logits;
            peft.Activate([.. kinds.Select((kind, i) => i > 0 && kinds[0] == kind ? Twin(kind) : kind)]);
            return known[key] = model.Logits(row).DetachFromDisposeScope();
        }

        public void Dispose()
        {
            peft.Dispose();
            model.Dispose();
        }
    }

    private sealed record Opened(string What, IDisposable Scope, string[][]? Rows);

    private sealed class Program(CausalLM model, TemporaryFolder folder, Account expected, int seed, Dictionary<string, int> statements) : IDisposable
    {
        private readonly Random random = new(seed);
        private readonly PeftModel peft = new(model);
        private readonly Dictionary<string, string> kinds = [];   // of the adapters, by name
        private readonly List<Opened> open = [];
        private List<string> active = [];
        private bool merged;
        private int named;

        public void Run()
        {
            for (var i = 0; i < Statements; i++)
            {
                using var scope = NewDisposeScope();
                Statement();
                Check();
            }
        }

        private bool Chosen => open.Exists(each => each.What is "rows" or "with");

        private void Statement()
        {
            var name = kinds.Count == 0 ? "nobody" : kinds.Keys.ElementAt(random.Next(kinds.Count));
            var known = kinds.ContainsKey(name);
            var kind = Kinds[random.Next(Kinds.Length)].Method;
            switch (random.Next(14))
            {
                case 0 or 1:
                    var fresh = $"adapter{named++}";
                    Do("add", !merged, () => peft.LoadAdapter(folder[kind], fresh), () =>
                    {
                        kinds.Add(fresh, kind);
                        if (active.Count == 0) active = [fresh];
                    });
                    break;
                case 2:
                    Do("delete", known && !merged, () => peft.Delete(name), () =>
                    {
                        kinds.Remove(name);
                        active.Remove(name);
                    });
                    break;
                case 3:
                    var other = $"renamed{named++}";
                    Do("rename", known, () => peft.Rename(name, other), () =>
                    {
                        kinds.Add(other, kinds[name]);
                        kinds.Remove(name);
                        active = [.. active.Select(each => each == name ? other : each)];
                    });
                    break;
                case 4:
                    Do("swap", known && !merged, () => peft.HotSwap(name, folder[kind]), () => kinds[name] = kind);
                    break;
                case 5 or 6:
                    var stack = Some();
                    Do("activate", !merged, () => peft.Activate([.. stack]), () => active = stack);
                    break;
                case 7:
                    string[] rows = [.. Enumerable.Range(0, RowCount).Select(_ => kinds.Count == 0 || random.Next(3) == 0 ? PeftModel.Base : kinds.Keys.ElementAt(random.Next(kinds.Count)))];
                    Open("rows", !merged, () => peft.Rows(rows), [.. rows.Select(each => each == PeftModel.Base ? [] : new[] { kinds[each] })]);
                    break;
                case 8:
                    var chosen = Some();
                    Open("with", !merged, () => peft.WithAdapters([.. chosen]), [.. Enumerable.Repeat(chosen.Select(each => kinds[each]).ToArray(), RowCount)]);
                    break;
                case 9:
                    Open("without", true, peft.WithoutAdapters, [.. Enumerable.Repeat(Array.Empty<string>(), RowCount)]);
                    break;
                case 10 or 11 when open.Count > 0:
                    var ended = open[random.Next(open.Count)];   // in any order
                    Do("end", true, ended.Scope.Dispose, () => open.Remove(ended));
                    break;
                case 12 when merged:
                    Do("unmerge", true, peft.Unmerge, () => merged = false);
                    break;
                case 12:
                    Do("merge", !Chosen && active.TrueForAll(each => kinds[each] != "prompt"), () => peft.Merge(), () => merged = true);
                    break;
                case 13:
                    Do("freeze", known, () => peft.Freeze(name), () => { });
                    break;
                default:
                    Do("unknown", false, () => peft.Activate("nobody at all"), () => { });
                    break;
            }
        }

        private List<string> Some() => [.. kinds.Keys.OrderBy(_ => random.Next()).Take(random.Next(3))];

        private void Open(string what, bool possible, Func<IDisposable> begin, string[][] rows)
        {
            IDisposable? scope = null;
            Do(what, possible, () => scope = begin(), () => open.Add(new Opened(what, scope!, rows)));
        }

        // What cannot be is refused by name, and changes nothing.
        private void Do(string what, bool possible, Action statement, Action then)
        {
            var key = possible ? what : $"{what} (refused)";
            statements[key] = statements.GetValueOrDefault(key) + 1;
            if (!possible)
            {
                Should.Throw<PeftException>(statement, $"seed {seed}, {what}");
                return;
            }
            statement();
            then();
        }

        private void Check()
        {
            var rows = open.Count > 0 ? open[^1].Rows! : [.. Enumerable.Repeat(active.Select(each => kinds[each]).ToArray(), RowCount)];
            var logits = model.Logits();
            for (var row = 0; row < RowCount; row++)
            {
                var difference = logits.narrow(0, row, 1).Difference(expected.Of(rows[row], row));
                difference.ShouldBeLessThan(2e-3, $"seed {seed}, row {row}: {string.Join(" in ", rows[row])}; open: {string.Join(", ", open.Select(each => each.What))}; merged: {merged}");
            }
            peft.Active.ShouldBe(active);
            peft.Adapters.Keys.ShouldBe(kinds.Keys, ignoreOrder: true);
            peft.IsMerged.ShouldBe(merged);
        }

        public void Dispose()
        {
            foreach (var each in open) each.Scope.Dispose();
            peft.Dispose();
        }
    }
}
