namespace Peft.Models.Tests;

/// <summary>The modules that methods adapt if none are named, as in Hugging Face PEFT's tables.</summary>
public class DefaultTargetsTests
{
    private const string AllOfLlama = "down_proj gate_proj k_proj o_proj q_proj up_proj v_proj";

    [Theory]
    [InlineData("LORA", "gpt2", "c_attn")]
    [InlineData("FOURIERFT", "gpt2", "mlp.c_proj")]
    [InlineData("WAVEFT", "gpt2", "mlp.c_proj")]
    [InlineData("C3A", "gpt2", "mlp.c_proj")]
    [InlineData("FOURIERFT", "llama", "q_proj v_proj")]
    [InlineData("OSF", "gpt2", "attn.c_proj c_attn mlp.c_proj")]
    [InlineData("OSF", "llama", AllOfLlama)]
    [InlineData("OSF", "qwen2", AllOfLlama)]
    [InlineData("OSF", "gpt-neox", "dense_4h_to_h query_key_value")]
    [InlineData("ADALORA", "roberta-seqcls", "dense key query value")]
    [InlineData("ADALORA", "opt", "fc1 fc2 k_proj out_proj q_proj v_proj")]
    [InlineData("ADALORA", "t5", "k o q v wi wo")]
    [InlineData("ADALORA", "llama", "q_proj v_proj")]
    [InlineData("VBLORA", "t5", "k o q v wi wo")]
    [InlineData("VBLORA", "roberta-seqcls", "query value")]
    [InlineData("VERA", "llama", "q_proj v_proj")]
    public void They_are_those_of_the_method_and_the_architecture(string method, string name, string expected)
    {
        var sizes = method switch { "C3A" => """, "block_size": 4""", "VBLORA" => """, "num_vectors": 8, "vector_length": 2""", "WAVEFT" or "FOURIERFT" => """, "n_frequency": 20""", _ => "" };
        using var model = Reference.Load(name);
        using var peft = model.ApplyAdapter(AdapterConfig.Parse($$"""{ "peft_type": "{{method}}"{{sizes}} }"""));
        var names = peft.Find("default").Layers.OfType<DeltaLayer>().Select(layer => layer.Target.Path.Split('.')).Select(path => path[^1] == "c_proj" ? $"{path[^2]}.{path[^1]}" : path[^1]);
        string.Join(' ', names.Distinct().Order(StringComparer.Ordinal)).ShouldBe(expected);
    }

    // As in Hugging Face PEFT, which shortens 20 names and more: files name modules by the last part of their paths, and Lily's modules of a name share tensors.
    [Theory, InlineData(3, 7), InlineData(2, 14)]
    public void All_linear_modules_of_many_layers_are_named_by_their_last_part(int layers, int names)
    {
        using var model = CausalLM.FromConfig(ModelConfig.FromFolder(Reference.Folder("llama")).With("num_hidden_layers", layers));
        using var peft = model.ApplyAdapter(new LilyOptions { Rank = 2, TargetModules = "all-linear" });
        var found = peft.Find("default");
        ((LilyOptions)found.Options).TargetModules!.Names.Count.ShouldBe(names);
        found.Layers.Count.ShouldBe(7 * layers);
        peft.Trainables.Count(each => each.Name.Contains("lily_B", StringComparison.Ordinal)).ShouldBe(names);
        peft.Trainables.Count(each => each.Name.Contains("lily_A", StringComparison.Ordinal)).ShouldBe(7 * layers);
    }
}
