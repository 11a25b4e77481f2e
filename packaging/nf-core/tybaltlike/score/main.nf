process TYBALTLIKE_SCORE {
    tag "$meta.id"
    label 'process_low'

    conda "${moduleDir}/environment.yml"
    container "${ workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container ?
        'https://depot.galaxyproject.org/singularity/tybalt-like:0.2.0--pyhdfd78af_0':
        'quay.io/biocontainers/tybalt-like:0.2.0--pyhdfd78af_0' }"

    input:
    tuple val(meta) , path(matrix), path(samples)
    tuple val(meta2), path(run)
    tuple val(meta3), path(controls)

    output:
    tuple val(meta), path("${prefix}.scores.tsv")  , emit: scores
    tuple val(meta), path("${prefix}.genes.tsv.gz"), emit: genes
    tuple val("${task.process}"), val('tybalt-like'), eval("tybalt-like --version"), topic: versions, emit: versions_tybaltlike

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def obs = samples ? "--obs $samples" : ''
    def normals = controls ? "--controls $controls" : ''
    """
    tybalt-like score \\
        $matrix \\
        --run $run \\
        $obs \\
        $normals \\
        --out ${prefix}.scores.tsv \\
        --genes ${prefix}.genes.tsv.gz \\
        --threads $task.cpus \\
        $args
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.scores.tsv
    echo | gzip > ${prefix}.genes.tsv.gz
    """
}
