using System.Reflection;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.Extensions.AI;
using Peft.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests.PublicApi;

/// <summary>Arguments of any type: one that may be meant, and those that nobody should give.</summary>
/// <param name="world">Objects that are there.</param>
/// <param name="folder">Where paths lead.</param>
internal sealed class Arguments(World world, string folder)
{
    private static readonly CancellationToken Cancelled = new(canceled: true);

    /// <summary>A value that may be meant; null where none is known.</summary>
    public object? Benign(Type type, string name = "", int depth = 3)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner) return Benign(inner, name, depth);
        if (type.IsByRefLike || type == typeof(void)) return null;
        if (type == typeof(string)) return Text(name);
        if (type == typeof(bool)) return false;
        if (type == typeof(int) || type == typeof(long) || type == typeof(double) || type == typeof(float) || type == typeof(byte) || type == typeof(ulong)) return Convert.ChangeType(1, type, null);
        if (type == typeof(ScalarType)) return ScalarType.Float32;
        if (type.IsEnum) return Enum.GetValues(type).GetValue(0);
        if (type == typeof(Tensor)) return name is "inputIds" or "ids" or "labels" or "tasks" ? SmallModel.Ids(2) : randn(2, 4, 32);
        if (type == typeof(Parameter)) return new Parameter(randn(2, 3));
        if (type == typeof(Device)) return CPU;
        if (type == typeof(CancellationToken)) return CancellationToken.None;
        if (type == typeof(ITokenizer)) return new CharacterTokenizer(SmallModel.Vocabulary);
        if (type == typeof(ILogitsProcessor)) return new SameScores();
        if (type == typeof(TextWriter)) return new StringWriter();
        if (type == typeof(Stream)) return new MemoryStream();
        if (type == typeof(ChatMessage)) return new ChatMessage(ChatRole.User, "hello");
        if (type == typeof(JsonNode) || type == typeof(JsonObject)) return new JsonObject { ["model_type"] = "llama" };
        if (type == typeof(JsonArray)) return new JsonArray(new JsonObject { ["role"] = "user", ["content"] = "hello" });
        if (type == typeof(JsonSerializerOptions)) return JsonSerializerOptions.Default;
        if (type == typeof(Type)) return typeof(LoraOptions);
        if (type == typeof(object)) return "object";
        if (type == typeof(ModelConfig)) return name == "encoder" ? World.Encoder() : world.Find(type);
        if (type == typeof(ModelInput)) return new ModelInput { InputIds = SmallModel.Ids(2) };
        if (type == typeof(AdapterOptions)) return new LoraOptions { Rank = 2 };
        if (type == typeof(ModuleSelector)) return (ModuleSelector)"q_proj";
        if (typeof(nn.Module).IsAssignableFrom(type) && type.IsAssignableFrom(typeof(CausalLM))) return SmallModel.Create();
        if (type == typeof(IPromptedModel)) return SmallModel.Create();
        if (type == typeof(PeftModel)) return SmallModel.Create().ApplyLora(rank: 2);
        if (type == typeof(Batch)) return new Batch { InputIds = SmallModel.Ids(2), Labels = SmallModel.Ids(2) };
        if (Functions.IsFunction(type)) return Functions.Returning(type, depth == 0 ? null : Benign(type.GetMethod("Invoke")!.ReturnType, name, depth - 1));
        if (Element(type) is { } element) return Many(type, element, [Benign(element, name, depth)]);
        if (Pair(type) is var (key, value)) return Map(key, value, [(Benign(key, name, depth), Benign(value, name, depth))]);
        return world.Find(type) ?? (depth == 0 ? null : Constructed(type, depth)) ?? (type is { IsValueType: true, IsByRefLike: false } && type != typeof(void) ? Activator.CreateInstance(type) : null);
    }

    /// <summary>Values that nobody should give.</summary>
    public IEnumerable<object?> Hostile(Type type, string name = "", int depth = 2)
    {
        if (Nullable.GetUnderlyingType(type) is { } inner) return Hostile(inner, name, depth).Prepend(null);
        if (type == typeof(string)) return [null, "", " ", "no-such-name", "../../evil", "\0", "\ud800", "a.b/c\\d", Path.Combine(folder, "absent", "x"), folder, Path.Combine(folder, "file"), "{", new string('x', 5000)];
        if (type == typeof(bool)) return [true];
        if (type == typeof(int)) return [-1, 0, 2, 7, int.MaxValue, int.MinValue];
        if (type == typeof(long)) return [-1L, 0L, 3L, (long)int.MaxValue, long.MaxValue, long.MinValue];
        if (type == typeof(ulong)) return [ulong.MaxValue];
        if (type == typeof(byte)) return [byte.MaxValue];
        if (type == typeof(double)) return [double.NaN, 0.0, -1.0, 0.5, double.PositiveInfinity, double.MaxValue, double.Epsilon];
        if (type == typeof(float)) return [float.NaN, 0f, -1f, float.PositiveInfinity];
        if (type == typeof(ScalarType)) return [ScalarType.Int64, ScalarType.Bool, ScalarType.Float16, ScalarType.ComplexFloat32, (ScalarType)99];
        if (type.IsEnum) return Enum.GetValues(type).Cast<object>().Append(Enum.ToObject(type, 999));
        if (type == typeof(Tensor) || type == typeof(Parameter)) return Tensors().Select(tensor => tensor is null || type == typeof(Tensor) ? tensor : tensor.IsInvalid ? Disposed(new Parameter(randn(2, 2))) : new Parameter(tensor, false));
        if (type == typeof(CancellationToken)) return [Cancelled];
        if (type == typeof(Type)) return [null, typeof(int), typeof(PeftModel)];
        if (type == typeof(JsonObject) || type == typeof(JsonNode)) return [null, new JsonObject(), new JsonObject { ["model_type"] = 3, ["vocab_size"] = "many" }];
        if (type == typeof(JsonArray)) return [null, new JsonArray(), new JsonArray(null, 3, "x", new JsonArray())];
        if (type == typeof(ModelInput)) return Inputs();
        if (type == typeof(Batch)) return Batches();
        if (type == typeof(KeyValueCache)) return [null, Disposed(new KeyValueCache()), new KeyValueCache(1)];
        if (typeof(nn.Module).IsAssignableFrom(type) || type == typeof(IPromptedModel) || type == typeof(PeftModel)) return [null, .. Gone(type)];
        if (Functions.IsFunction(type)) return [null, .. type.GetMethod("Invoke")!.ReturnType is { IsValueType: false } ? new object[] { Functions.Returning(type, null) } : []];
        if (Element(type) is { } element)
        {
            if (depth == 0) return [null, Many(type, element, [])];
            return [null, Many(type, element, []), .. Hostile(element, name, depth - 1).Take(12).Select(each => Many(type, element, [each])), Many(type, element, [.. Enumerable.Repeat(Benign(element, name), 3)])];
        }
        if (Pair(type) is var (key, value)) return depth == 0 ? [null] : [null, Map(key, value, []), .. Hostile(value, name, depth - 1).Take(6).Select(each => Map(key, value, [(Benign(key, name), each)]))];
        if (type is { IsValueType: true, IsGenericType: true } && depth > 0) return type.GetConstructors().Where(each => each.GetParameters().Length > 0).SelectMany(constructor => Variants(constructor, depth - 1)).Take(20);
        return type.IsValueType ? [Activator.CreateInstance(type)] : [null];
    }

    /// <summary>Arguments of a member: all meant; each in turn one that nobody should give; all so.</summary>
    public IEnumerable<object?[]> Of(MethodBase member)
    {
        var parameters = member.GetParameters();
        yield return All();
        for (var i = 0; i < parameters.Length; i++)
        {
            if (parameters[i].IsOut) continue;
            foreach (var value in Hostile(ApiMembers.Bare(parameters[i].ParameterType), parameters[i].Name!))
            {
                var arguments = All();
                arguments[i] = value;
                yield return arguments;
            }
        }
        if (parameters.Length > 1) yield return [.. parameters.Select(parameter => parameter.IsOut ? null : Hostile(ApiMembers.Bare(parameter.ParameterType), parameter.Name!).FirstOrDefault())];

        object?[] All() => [.. parameters.Select(parameter => parameter.IsOut ? null : parameter.HasDefaultValue && parameter.ParameterType.IsClass ? null : Benign(ApiMembers.Bare(parameter.ParameterType), parameter.Name!))];
    }

    private static string Text(string name) => name switch
    {
        "name" or "source" => PeftModel.DefaultName,
        "taskType" => "CAUSAL_LM",
        "revision" => "main",
        "repoId" => "owner/name",
        _ => "q_proj",
    };

    private IEnumerable<object> Variants(ConstructorInfo constructor, int depth)
    {
        var parameters = constructor.GetParameters();
        for (var i = 0; i < parameters.Length; i++)
        {
            foreach (var value in Hostile(parameters[i].ParameterType, parameters[i].Name!, depth))
            {
                var arguments = parameters.Select(parameter => Benign(parameter.ParameterType, parameter.Name!)).ToArray();
                arguments[i] = value;
                yield return constructor.Invoke(arguments);
            }
        }
    }

    private object? Constructed(Type type, int depth)
    {
        if (type.IsAbstract || type.IsInterface)
            return type.GetProperties(BindingFlags.Public | BindingFlags.Static).FirstOrDefault(property => type.IsAssignableFrom(property.PropertyType))?.GetValue(null);
        foreach (var constructor in type.GetConstructors().OrderBy(each => each.GetParameters().Length))
        {
            try
            {
                var made = constructor.Invoke([.. constructor.GetParameters().Select(parameter => Benign(parameter.ParameterType, parameter.Name!, depth - 1))]);
                foreach (var property in type.GetProperties().Where(each => each.GetCustomAttribute<System.Runtime.CompilerServices.RequiredMemberAttribute>() is not null))
                    property.SetValue(made, Benign(property.PropertyType, property.Name, depth - 1));
                return made;
            }
            catch (TargetInvocationException)
            {
                // Another constructor may do.
            }
        }
        return null;
    }

    private static IEnumerable<Tensor?> Tensors() =>
    [
        null, Disposed(randn(2, 2)), zeros([0]), tensor(3L), tensor(0.5), tensor(new long[] { 1, 2, 3 }), randn(3), randn([1, 1, 1, 1, 2]), zeros([2, 0], ScalarType.Int64),
        tensor(new long[,] { { 1, -1 }, { 2, 3 } }), tensor(new long[,] { { 1, long.MaxValue } }), tensor(new[,] { { 1, 2 }, { 3, 4 } }), tensor(new[,] { { true, false } }), randn(2, 4),
        full([2, 4, 32], float.NaN),
    ];

    private static IEnumerable<ModelInput?> Inputs()
    {
        yield return null;
        yield return new ModelInput();
        foreach (var make in new Func<Tensor?, ModelInput>[]
        {
            each => new() { InputIds = each }, each => new() { Embeddings = each }, each => new() { InputIds = SmallModel.Ids(2), AttentionMask = each }, each => new() { InputIds = SmallModel.Ids(2), TokenTypeIds = each },
            each => new() { InputIds = SmallModel.Ids(2), PositionIds = each }, each => new() { InputIds = SmallModel.Ids(2), DecoderInputIds = each }, each => new() { InputIds = SmallModel.Ids(2), DecoderEmbeddings = each },
            each => new() { InputIds = SmallModel.Ids(2), DecoderInputIds = SmallModel.Ids(2), DecoderAttentionMask = each }, each => new() { EncoderOutput = each, DecoderInputIds = SmallModel.Ids(2) },
            each => new() { InputIds = SmallModel.Ids(2), Prefix = [new(each!, each!)] }, each => new() { InputIds = SmallModel.Ids(2), InAttention = [new(0, each!, each!)] },
        })
        {
            foreach (var each in Tensors()) yield return make(each);
        }
        yield return new ModelInput { InputIds = SmallModel.Ids(2), Embeddings = randn(2, 6, 32) };
        yield return new ModelInput { InputIds = SmallModel.Ids(2), Cache = Disposed(new KeyValueCache()) };
        yield return new ModelInput { InputIds = SmallModel.Ids(2), Cache = new KeyValueCache(1) };
        foreach (IReadOnlyList<int> lengths in new[] { [], [6], [-1, 13], new[] { int.MaxValue, int.MaxValue }, [3, 3], [0, 6] }) yield return new ModelInput { InputIds = SmallModel.Ids(1), PackedLengths = lengths };
        yield return new ModelInput { InputIds = SmallModel.Ids(2), Prefix = [null!, null!] };
        yield return new ModelInput { InputIds = SmallModel.Ids(2), Prefix = [] };
        yield return new ModelInput { InputIds = SmallModel.Ids(2), PrefixGates = [null!] };
    }

    private static IEnumerable<Batch?> Batches()
    {
        yield return null;
        foreach (var each in Tensors())
        {
            yield return new Batch { InputIds = each!, Labels = SmallModel.Ids(2) };
            yield return new Batch { InputIds = SmallModel.Ids(2), Labels = each };
            yield return new Batch { InputIds = SmallModel.Ids(2), Labels = SmallModel.Ids(2), AttentionMask = each };
            yield return new Batch { InputIds = SmallModel.Ids(2), Labels = SmallModel.Ids(2), Extra = new Dictionary<string, Tensor> { ["token_type_ids"] = each!, ["task_ids"] = each!, ["start_positions"] = each! } };
        }
        yield return new Batch { InputIds = SmallModel.Ids(1), Labels = SmallModel.Ids(1), PackedLengths = [int.MaxValue, int.MaxValue] };
        yield return new Batch { InputIds = SmallModel.Ids(1), Labels = SmallModel.Ids(1), PackedLengths = [] };
    }

    private static IEnumerable<object> Gone(Type type)
    {
        var model = SmallModel.Create();
        var peft = SmallModel.Create().ApplyLora(rank: 2);
        if (type == typeof(PeftModel)) yield return Disposed(peft);
        else if (type.IsInstanceOfType(model)) yield return Disposed(model);
    }

    public static T Disposed<T>(T made) where T : IDisposable
    {
        made.Dispose();
        return made;
    }

    private static Type? Element(Type type)
    {
        if (type.IsArray) return type.GetElementType();
        return type.IsGenericType && type.GetGenericTypeDefinition() is var open && (open == typeof(IEnumerable<>) || open == typeof(IReadOnlyList<>) || open == typeof(IReadOnlyCollection<>) || open == typeof(IList<>) || open == typeof(List<>))
            ? type.GetGenericArguments()[0] : null;
    }

    private static (Type Key, Type Value)? Pair(Type type)
        => type.IsGenericType && (type.GetGenericTypeDefinition() == typeof(IReadOnlyDictionary<,>) || type.GetGenericTypeDefinition() == typeof(Dictionary<,>) || type.GetGenericTypeDefinition() == typeof(IDictionary<,>))
            ? (type.GetGenericArguments()[0], type.GetGenericArguments()[1]) : null;

    private static object Many(Type type, Type element, object?[] values)
    {
        var array = Array.CreateInstance(element, values.Length);
        for (var i = 0; i < values.Length; i++) array.SetValue(values[i], i);
        return type.IsInstanceOfType(array) ? array : Activator.CreateInstance(typeof(List<>).MakeGenericType(element), array)!;
    }

    private static object Map(Type key, Type value, (object? Key, object? Value)[] pairs)
    {
        var map = (System.Collections.IDictionary)Activator.CreateInstance(typeof(Dictionary<,>).MakeGenericType(key, value))!;
        foreach (var (each, of) in pairs) map[each!] = of;
        return map;
    }
}
