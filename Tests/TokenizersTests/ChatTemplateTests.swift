import Testing
import Tokenizers

@Suite struct ChatTemplateTests {
    static let talk = [
        ChatMessage(role: "system", content: "Be brief."), ChatMessage(role: "user", content: " Hi "),
        ChatMessage(role: "assistant", content: "Hello."), ChatMessage(role: "user", content: "Bye"),
    ]

    /// ChatML, as SmolLM2's.
    @Test func chatML() throws {
        let template = try ChatTemplate(
            """
            {% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system
            You are helpful.<|im_end|>
            ' }}{% endif %}{{'<|im_start|>' + message['role'] + '
            ' + message['content'] + '<|im_end|>' + '
            '}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant
            ' }}{% endif %}
            """)
        #expect(
            try template.render([ChatMessage(role: "user", content: "Hi")])
                == "<|im_start|>system\nYou are helpful.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        )
        #expect(
            try template.render(Array(Self.talk.prefix(2)), addsPrompt: false)
                == "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n Hi <|im_end|>\n")
    }

    /// In the manner of Llama 2 and Gemma: a system message within the first turn, roles that must alternate.
    @Test func alternation() throws {
        let template = try ChatTemplate(
            """
            {{ bos_token }}{%- if messages[0].role == 'system' -%}
                {%- set first = messages[0]['content'] | trim + '\\n\\n' -%}
                {%- set loop_messages = messages[1:] -%}
            {%- else -%}
                {%- set first = '' -%}
                {%- set loop_messages = messages -%}
            {%- endif -%}
            {%- for message in loop_messages -%}
                {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
                    {{ raise_exception("Conversation roles must alternate") }}
                {%- endif -%}
                {%- set role = 'model' if message.role == 'assistant' else message.role -%}
                {{ '<start_of_turn>' + role + '\\n' + (first if loop.first else '') }}
                {%- if message['content'] is string -%}{{ message['content'] | trim }}{%- endif -%}
                {{ '<end_of_turn>\\n' }}
            {%- endfor -%}
            {%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}
            """)
        let expected =
            "<bos><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello.<end_of_turn>\n"
            + "<start_of_turn>user\nBye<end_of_turn>\n<start_of_turn>model\n"
        #expect(try template.render(Self.talk, tokens: ["bos_token": "<bos>"]) == expected)
        let error = #expect(throws: ChatTemplateError.self) {
            try template.render([Self.talk[2]], tokens: ["bos_token": "<bos>"])
        }
        #expect(error?.description == "chat template: Conversation roles must alternate")
    }

    @Test func namespacesAndWhiteSpace() throws {
        let template = try ChatTemplate(
            """
            {# found out first #}
            {% set ns = namespace(count=0) %}
            {% for m in messages if m.role == 'user' %}
              {% set ns.count = ns.count + 1 %}
            {% endfor %}
            {{ ns.count }} of {{ messages | length }}{% if tools is defined %}!{% elif 'user' in messages[1].role %}.{% else %}?{% endif %}
            """)
        #expect(try template.render(Self.talk) == "2 of 4.")
    }

    @Test(arguments: [
        "{% macro x() %}{% endmacro %}", "{{ messages | sort }}", "{% if true %}", "{{ 'x", "{{ 1 + }}", "{{ f(1) }}",
        "{% for x in 3 %}{% endfor %}", "{{ 'a' * 'b' }}", "{% endif %}", "{{ x.foo() }}",
    ])
    func refusals(_ text: String) {
        #expect(throws: ChatTemplateError.self) { try ChatTemplate(text).render(Self.talk) }
    }

    /// A template cannot run for ever, or fill memory.
    @Test func limits() throws {
        let nested =
            String(repeating: "{% for a in messages %}", count: 12) + "x" + String(repeating: "{% endfor %}", count: 12)
        #expect(throws: ChatTemplateError.self) { try ChatTemplate(nested).render(Self.talk) }
        #expect(throws: ChatTemplateError.self) { try ChatTemplate("{{ " + String(repeating: "(", count: 500) + "1") }
    }
}
