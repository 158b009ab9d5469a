namespace Peft.Hub.Tests;

public sealed class ModelFilesTests
{
    [Theory]
    [InlineData("model.safetensors pytorch_model.bin consolidated.safetensors model.fp16.safetensors onnx/model.safetensors", "model.safetensors")]
    [InlineData("model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json consolidated.safetensors pytorch_model.bin", "model-00001-of-00002.safetensors model-00002-of-00002.safetensors model.safetensors.index.json")]
    [InlineData("pytorch_model.bin tf_model.h5 flax_model.msgpack", "pytorch_model.bin")]
    [InlineData("pytorch_model-00001-of-00001.bin pytorch_model.bin.index.json training_args.bin", "pytorch_model-00001-of-00001.bin pytorch_model.bin.index.json")]
    [InlineData("adapter_config.json adapter_model.safetensors adapter_model.bin optimizer.pt", "adapter_config.json adapter_model.safetensors")]
    [InlineData("README.md .gitattributes config.json generation_config.json tokenizer.json tokenizer_config.json special_tokens_map.json added_tokens.json vocab.json merges.txt vocab.txt tokenizer.model spiece.model chat_template.jinja chat_template.json additional_chat_templates/rag.jinja original/tokenizer.model",
        "config.json generation_config.json tokenizer.json tokenizer_config.json special_tokens_map.json added_tokens.json vocab.json merges.txt vocab.txt tokenizer.model spiece.model chat_template.jinja chat_template.json additional_chat_templates/rag.jinja")]
    public void A_model_is_its_description_its_tokenizer_and_one_form_of_its_weights(string all, string needed)
        => ModelFiles.Model(all.Split(' ')).Order().ShouldBe(needed.Split(' ').Order());

    [Fact]
    public void An_adapter_is_two_files()
    {
        string[] all = ["adapter_config.json", "adapter_model.bin", "french/adapter_config.json", "french/adapter_model.safetensors", "french/adapter_model.bin", "README.md"];
        ModelFiles.Adapter("")(all).ShouldBe(["adapter_config.json", "adapter_model.bin"]);
        ModelFiles.Adapter("french/")(all).ShouldBe(["french/adapter_config.json", "french/adapter_model.safetensors"]);
        ModelFiles.Adapter("german/")(all).ShouldBeEmpty();
    }
}
