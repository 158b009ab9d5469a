using System.Collections;
using System.Reflection;
using System.Text.Json;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>Every option of every record, set to values that nobody should give: what uses the record works, or says which option is wrong.</summary>
public sealed class OptionWalkTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly List<string> failures = [];

    // Options whose value lies where no test can judge it, and why.
    private static readonly Dictionary<string, string> Excluded = new()
    {
        [nameof(LoadOptions.Dtype)] = "a number that is no type of torch's can only be had by a cast",
        [nameof(TrainingOptions.TensorBoardFolder)] = "TorchSharp's writer keeps what it could not write for another thread",
    };

    // Whatever the machine holds would be made.
    static OptionWalkTests() => AppContext.SetData("Peft.MemoryLimit", 1L << 30);

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    public static TheoryData<string> Methods => [.. Sample.Methods];

    [Theory, MemberData(nameof(Methods))]
    public void Options_of_a_method(string method)
    {
        Walk(Sample.Of(method).Options, options => Adapt(method, options));
    }

    private static void Adapt(string method, AdapterOptions options)
    {
        using var model = SmallModel.Create();
        using var peft = new PeftModel(model);
        Sample.Of(method).Prepare(peft);
        peft.Add("walked", options);
        peft.Activate("walked");
        using var ids = SmallModel.Ids(2);
        using (model.call(ids)) { }
    }

    [Fact]
    public void Options_of_generation()
    {
        using var model = SmallModel.Create();
        foreach (var start in new[] { new GenerationOptions(), new() { DoSample = true }, new() { NumBeams = 2 } })
            Walk(start, options => model.Generate([[1, 2], [3]], options with { MaxNewTokens = options.MaxNewTokens is > 2 ? 2 : options.MaxNewTokens ?? 2 }));
    }

    [Fact]
    public void Options_of_training()
    {
        using var model = SmallModel.Create();
        using var peft = model.ApplyLora(rank: 2);
        var data = TextDataset.FromText(string.Concat(Enumerable.Repeat("some text ", 20)), new CharacterTokenizer(SmallModel.Vocabulary), 8);
        Walk(new TrainingOptions { BatchSize = 2, MaxSteps = 2 }, options => new Trainer(peft, data, options) { Evaluation = data, Callbacks = [new StopsSoon()] }.Train());
        Walk(new AdamWOptions(), options => new Trainer(peft, data, new TrainingOptions { BatchSize = 2, MaxSteps = 1, Optimizer = options }).Train());
    }

    [Fact]
    public void Options_of_loading()
    {
        using (var model = SmallModel.Create()) model.SavePretrained(folder["model"]);
        Walk(new LoadOptions { Hub = new HubOptions { Offline = true, CacheFolder = folder } }, options => SequenceClassifier.FromPretrained(folder["model"], options).Dispose());
    }

    private sealed class StopsSoon : ITrainerCallback
    {
        public void OnStepEnd(TrainingProgress progress, TrainerControl control)
        {
            if (progress.Step >= 2) control.Stop();
        }
    }

    private void Walk<T>(T start, Action<T> use) where T : class
    {
        foreach (var property in start.GetType().GetProperties().Where(each => each.SetMethod is { IsPublic: true } && !Excluded.ContainsKey(each.Name)))
            foreach (var value in Values(property.PropertyType)) Try(start, property, value, use);
        failures.ShouldBeEmpty();
    }

    private void Try<T>(T start, PropertyInfo property, object? value, Action<T> use) where T : class
    {
        using var here = NewDisposeScope();
        try
        {
            var options = (T)start.GetType().GetMethod("<Clone>$")!.Invoke(start, null)!;
            property.SetValue(options, value);
            use(options);
        }
        catch (Exception error) when (Inner(error) is PeftException or ArgumentException or OperationCanceledException or NotSupportedException)
        {
            // Named.
        }
        catch (Exception error)
        {
            var inner = Inner(error);
            failures.Add($"{start.GetType().Name}.{property.Name} = {Show(value)}: {inner.GetType().Name} {inner.Message.Split('\n')[0]} {string.Join(" < ", inner.StackTrace!.Split('\n').Take(5).Select(line => line.Trim()))}");
        }
    }

    private static Exception Inner(Exception error) => error is TargetInvocationException or AggregateException { InnerException: not null } ? error.InnerException! : error;

    private IEnumerable<object?> Values(Type type)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner) return Values(inner);
        if (type == typeof(int)) return [-1, 0, int.MaxValue];
        if (type == typeof(long)) return [-1L, long.MaxValue];
        if (type == typeof(double)) return [double.NaN, -1.0, double.MaxValue];
        if (type == typeof(bool)) return [true, false];
        if (type == typeof(string)) return [null, "", "no-such", Path.Combine(folder, "absent", "\0")];
        if (type.IsEnum) return [Enum.ToObject(type, 999)];
        if (type == typeof(ScalarType)) return [ScalarType.Int64, (ScalarType)99];
        if (type == typeof(ModuleSelector)) return [null, .. new Func<ModuleSelector>[] { () => "(", () => "no-such", () => new[] { "" }, () => new string[] { null! } }.Select(Made).OfType<ModuleSelector>()];
        if (type == typeof(IReadOnlyList<string>)) return [null, Array.Empty<string>(), new string[] { null! }, new[] { "no-such" }];
        if (type == typeof(IReadOnlyList<int>)) return [null, Array.Empty<int>(), new[] { -1 }, new[] { int.MaxValue }];
        if (type == typeof(IReadOnlyList<IReadOnlyList<int>>)) return [null, new IReadOnlyList<int>[] { null! }, new IReadOnlyList<int>[] { new[] { -1 } }];
        if (type == typeof(IReadOnlyDictionary<string, int>)) return [null, new Dictionary<string, int> { ["q_proj"] = int.MaxValue }, new Dictionary<string, int> { ["q_proj"] = -1, ["("] = 2 }];
        if (type == typeof(IReadOnlyDictionary<string, double>)) return [null, new Dictionary<string, double> { ["q_proj"] = double.NaN }, new Dictionary<string, double> { ["("] = -1 }];
        return type.IsValueType ? [Activator.CreateInstance(type)] : [null];
    }

    // What is no selector at all is refused before it is one.
    private static ModuleSelector? Made(Func<ModuleSelector> make)
    {
        try
        {
            return make();
        }
        catch (Exception error) when (error is PeftException or ArgumentException)
        {
            return null;
        }
    }

    private static string Show(object? value) => value switch
    {
        null => "null",
        string text => JsonSerializer.Serialize(text),
        IEnumerable many => $"[{string.Join(", ", many.Cast<object?>().Select(Show))}]",
        _ => value.ToString()!,
    };
}
