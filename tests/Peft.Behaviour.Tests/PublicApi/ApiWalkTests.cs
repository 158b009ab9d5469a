using System.Collections;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>Every public member, called with arguments that nobody should give: what it throws says what was wrong.</summary>
[Collection(Alone.Name)]   // it changes the process's current folder
public sealed class ApiWalkTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly SortedDictionary<string, string> failures = new(StringComparer.Ordinal);

    private static readonly DocumentedExceptions Documented = new();

    // Members that are not called, and why.
    private static readonly Dictionary<string, string> Excluded = new()
    {
        ["TorchSettings"] = "settings of the whole process, which the tests that run beside this one would feel",
        ["*.Equals"] = "that of a record compares tensors by TorchSharp's own, which asks for their numbers",
        ["*.op_Equality"] = "the same",
        ["*.op_Inequality"] = "the same",
        ["*.Apply"] = "runs for each module of each pass with tensors that the model and its adapters hold: it checks nothing again",
        ["Embedding.Lookup"] = "the same",
        ["Target.AlongInput"] = "the same",
        ["Target.AlongOutput"] = "the same",
        ["Target.ApplyFactors"] = "the same",
        ["Target.Expand"] = "the same",
        ["Target.ScaleColumns"] = "the same",
        ["Target.ToMatrix"] = "the same",
        ["Target.ToStored"] = "the same",
        ["PassPositions.MeanOfSeen"] = "the same",
        ["FlagOrName`1"] = "made for enumerations whose members have the names of a file's values, which the compiler cannot ask of a type parameter",
    };

    // Whatever the machine holds would be made.
    static ApiWalkTests() => AppContext.SetData("Peft.MemoryLimit", 1L << 30);

    public ApiWalkTests()
    {
        using var model = SmallModel.Create();
        model.SavePretrained(folder["model"]);
        File.WriteAllText(folder["file"], "no file of ours");
        Directory.CreateDirectory(folder["tokenizer"]);
        File.Copy(Path.Combine(AppContext.BaseDirectory, "tokenizer.json"), Path.Combine(folder, "tokenizer", "tokenizer.json"));
    }

    public static TheoryData<string> Types => [.. ApiMembers.Types.Where(type => !Excluded.ContainsKey(type.Name)).Select(type => type.FullName!).Distinct()];

    [Theory, MemberData(nameof(Types))]
    public void No_public_member_throws_what_says_nothing(string name)
    {
        // Names of models lead to the hub: not from here.
        var offline = Environment.GetEnvironmentVariable("HF_HUB_OFFLINE");
        var here = Environment.CurrentDirectory;
        Environment.SetEnvironmentVariable("HF_HUB_OFFLINE", "1");
        Environment.CurrentDirectory = Directory.CreateDirectory(folder["here"]).FullName;   // relative paths
        try
        {
            Walk(ApiMembers.Types.First(type => type.FullName == name));
        }
        finally
        {
            Environment.CurrentDirectory = here;
            Environment.SetEnvironmentVariable("HF_HUB_OFFLINE", offline);
        }
        failures.Select(each => $"{each.Key}: {each.Value}").ShouldBeEmpty();
    }

    private void Walk(Type type)
    {
        using var world = new World(folder);
        var arguments = new Arguments(world, folder);
        var receiver = type.IsAbstract && type.IsSealed ? null : arguments.Benign(type);
        foreach (var member in ApiMembers.Of(type).OrderBy(member => member.Name is nameof(IDisposable.Dispose)))
        {
            if (Excluded.ContainsKey($"{type.Name}.{member.Name}") || Excluded.ContainsKey($"*.{member.Name}")) continue;
            if (!member.IsStatic && !member.IsConstructor && receiver is null) continue;
            foreach (var given in arguments.Of(member)) Call(member, member.IsStatic || member.IsConstructor ? null : receiver, given);
        }
    }

    private void Call(MethodBase member, object? receiver, object?[] arguments)
    {
        // A call that ends the process reports nothing else.
        if (Environment.GetEnvironmentVariable("PEFT_WALK_LOG") is { } log) File.WriteAllText(log, Describe(member, arguments));
        using var scope = NewDisposeScope();
        try
        {
            // Without what the compiler requires, an object made by reflection is no object that a program could have.
            if (member is ConstructorInfo constructor)
            {
                var made = constructor.Invoke(arguments);
                if (made.GetType().GetCustomAttribute<RequiredMemberAttribute>() is null) Use(made);
            }
            else Use(member.Invoke(receiver, arguments));
        }
        catch (TargetInvocationException error)
        {
            Judge(member, arguments, error.InnerException!);
        }
        catch (AggregateException error)
        {
            Judge(member, arguments, error.InnerException!);
        }
        catch (Exception error) when (error is not TargetException and not TargetParameterCountException)
        {
            Judge(member, arguments, error);
        }
        foreach (var given in arguments.OfType<IDisposable>().Where(each => each is PeftModel or nn.Module)) Let(given);
    }

    private static void Let(IDisposable given)
    {
        try
        {
            given.Dispose();
        }
        catch (ObjectDisposedException)
        {
            // It was to begin with.
        }
    }

    // What comes later is computed now.
    private static void Use(object? result)
    {
        switch (result)
        {
            case Task task: task.Wait(TimeSpan.FromSeconds(60)).ShouldBeTrue(); break;
            case IAsyncEnumerable<object> later: Await(later); break;
            case IEnumerable many and not string:
                foreach (var _ in many.Cast<object?>().Take(20)) { }
                break;
            case IDisposable made when made is not nn.Module and not PeftModel and not Tensor and not TorchSharp.Scalar: made.Dispose(); break;
        }
    }

    private static void Await(IAsyncEnumerable<object> later)
    {
        var each = later.GetAsyncEnumerator();
        try
        {
            each.MoveNextAsync().AsTask().Wait(TimeSpan.FromSeconds(60)).ShouldBeTrue();
        }
        catch (AggregateException error)
        {
            ExceptionDispatchInfo.Throw(error.InnerException!);
        }
        finally
        {
            each.DisposeAsync().AsTask().Wait();
        }
    }

    private void Judge(MethodBase member, object?[] arguments, Exception error)
    {
        if (Speaks(member, error)) return;
        failures.TryAdd($"{ApiMembers.Name(member)}: {error.GetType().Name}", $"{Describe(member, arguments)} -> {error.Message.Split('\n')[0]} {At(error)}");
    }

    private bool Speaks(MethodBase member, Exception error) => error switch
    {
        PeftException or ObjectDisposedException or OperationCanceledException => true,
        ArgumentException => error.StackTrace?.TrimStart().StartsWith("at TorchSharp", StringComparison.Ordinal) != true,
        IOException or NotSupportedException or InvalidOperationException or FormatException => Documented.Names(member, error.GetType()),
        _ => false,
    };

    private static string At(Exception error)
        => string.Join(" < ", (error.StackTrace ?? "").Split('\n').Select(line => line.Trim()).Where(line => line.Length > 3).Take(12).Select(line => line[3..].Split('(')[0] + (line.LastIndexOf(":line", StringComparison.Ordinal) is > 0 and var at ? line[at..] : "")).Take(6));

    private static string Describe(MethodBase member, object?[] arguments) => $"{member.DeclaringType!.Name}.{member.Name}({string.Join(", ", arguments.Select(Describe))})";

    private static string Describe(object? value) => value switch
    {
        null => "null",
        string text => JsonSerializer.Serialize(text.Length > 40 ? text[..40] + "…" : text),
        Tensor tensor => tensor.IsInvalid ? "disposed tensor" : $"{tensor.dtype} [{string.Join(", ", tensor.shape)}]",
        IEnumerable many => $"[{string.Join(", ", many.Cast<object?>().Take(4).Select(Describe))}]",
        double or float or int or long or bool or Enum => value.ToString()!,
        _ => value.GetType().Name,
    };

    public void Dispose() => folder.Dispose();
}
